"""The password once more, in place: a form that was refused with `ProveAgain` comes back with a password field.

All that was typed travels along in hidden fields to the address it was meant for. There `Prove`, a dependency of the
whole application, takes the password off, notes the proof in the session, and the request goes on as if nothing was.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from hub.access import Subject, subject
from hub.db import Tx
from hub.errors import ProveAgain, TooMany
from hub.events import PasswordAsked
from hub.i18n import _, language
from hub.login import name_of, note_proof, password_of, settle_try
from hub.page import actor, services
from web.auth import cookie_of, local

ASKED = "prove"  # in the address, so that no other form is read twice
FIELD = "prove-password"
PASSWORD_CHARS_MAX = 200
_NOT_KEPT = frozenset({"csrf", FIELD})


class Prove:
    async def __call__(self, request: Request) -> None:
        who = subject(request)
        if request.method != "POST" or ASKED not in request.query_params or who.kind not in ("staff", "resident"):
            return
        password = (await request.form()).get(FIELD)
        token = cookie_of(request, who.surface)
        if not isinstance(password, str) or not token:
            return
        await self._check(request, who, password[:PASSWORD_CHARS_MAX])
        now = services(request).clock.now()
        request.state.subject = replace(who, proved_at=now)
        await services(request).store.write(lambda tx: note_proof(tx, token), actor(request))
        request.app.state.sessions.forget(token)

    async def _check(self, request: Request, who: Subject, password: str) -> None:
        store = services(request).store
        name = await store.read(lambda read: name_of(read, who.kind, who.id))
        if name is None:
            raise ProveAgain(_("You have no password yet; an administrator gives you one"))
        try:
            stored = await store.read(lambda read: password_of(read, name))
            proved = await request.app.state.passwords.prove(stored, password)
            right = await store.write(lambda tx: _settle(tx, who, name, proved), actor(request))
        except TooMany as fault:
            raise ProveAgain(fault.sentence) from None  # what was typed must outlive the minute
        if not right:
            raise ProveAgain(_("That is not your password"))


def _settle(tx: Tx, who: Subject, name: str, proved: bool) -> bool:
    right = settle_try(tx, name, proved) is not None
    tx.emit(PasswordAsked, staff=who.id, proved=right)
    return right


async def prove_page(request: Request, error: ProveAgain) -> Response:
    """The same form once more, with what was typed and a field for the password."""
    form = await request.form()
    kept = [(key, value) for key, value in form.multi_items() if isinstance(value, str) and key not in _NOT_KEPT]
    address = [pair for pair in request.query_params.multi_items() if pair[0] != ASKED]
    came_from = local(urlsplit(request.headers.get("referer", "")).path)
    context = {
        "request": request, "subject": subject(request), "fragments": {}, "demo": services(request).demo,
        "sentence": error.sentence, "again": ASKED in request.query_params, "kept": kept, "field": FIELD,
        "action": f"{request.url.path}?{urlencode([*address, (ASKED, '1')])}",
        "back": came_from if came_from not in ("", request.url.path) else "/desk", "chars_max": PASSWORD_CHARS_MAX,
    }  # fmt: skip
    return HTMLResponse(services(request).render("prove.html", context, language()), error.status)
