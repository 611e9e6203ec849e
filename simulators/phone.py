"""A resident's phone: signs in with a one-time link, opens the home page, follows it live, and reads what comes."""

from __future__ import annotations

from urllib.parse import urljoin

from simulators.clock import Now, utc_now
from simulators.screen import Habits, Screen, forms

# A phone in the hand: what is on it has been shown at once, and nearly everybody opens it.
HABITS = Habits(shown_after_s=(1.0, 3.0), seen_share=0.9, seen_after_s=(2.0, 10.0))


class LoginFailed(PermissionError):
    """The one-time link is used up, too old, or of another hub."""


class Phone(Screen):
    """`login` is the address the hub printed: `http://.../login?code=...`; `path` the page opened after it."""

    def __init__(
        self,
        login: str,
        *,
        name: str,
        seed: str,
        path: str = "/",
        now: Now = utc_now,
        habits: Habits = HABITS,
    ) -> None:
        super().__init__(login, path, name=name, seed=seed, now=now, habits=habits)
        self._login = login

    async def load(self) -> list[str]:
        if not self.client.cookies:
            await self._sign_in()
        return await super().load()

    async def _sign_in(self) -> None:
        """A GET may only show the button (link previews open links too); then the form is posted as a finger would."""
        answer = await self.client.get(self._login)
        for action, fields in forms(answer.text):
            if answer.status_code == 200 and "code" in fields:
                address = urljoin(str(answer.url), action)
                answer = await self.client.post(address, data=fields, headers={"Origin": self.origin})
        if answer.status_code >= 400 or not self.client.cookies:
            raise LoginFailed(f"the hub answered {answer.status_code} to the one-time link")
