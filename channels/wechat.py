"""The WeChat official account: one template message per follower, receipts and followers' acts by callback."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import httpx

from channels import words
from channels.base import (
    RETRACTION,
    Accepted,
    Button,
    Callback,
    Caps,
    Clock,
    Delivery,
    Message,
    Outcome,
    Rendered,
    Reply,
    Skip,
)
from channels.base import Dead as _Dead
from channels.post import Refusal
from channels.text import cut, one_line, without_salutation
from channels.wechat_callback import ADDRESS_KIND, Door
from channels.wechat_client import Account, WechatClient
from channels.wechat_crypto import MessageCipher
from channels.wechat_proof import EXAMPLES, EXCHANGES, SETTINGS
from channels.wechat_token import MemoryTokenStore, TokenStore

__all__ = ["CHANNEL_NAME", "EXAMPLES", "EXCHANGES", "SETTINGS", "Wechat", "create"]

CHANNEL_NAME = "wechat"

AT_ONCE_MAX = 8  # connections to one provider; WeChat answers in 50-200 ms, so about 60 messages a second
CAPS = Caps(
    shape="addressed",
    address_kind="person",
    ceiling="delivered",  # opening the link behind it is proof of the web page, not of WeChat
    title_chars_max=20,
    body_chars_max=20,
    recall=False,  # nothing can be taken off a phone: a correction follows
    obeys_quiet_hours=True,
    batch_max=20,  # five deadlines at worst before the worker looks up again
    per_s=50.0,
    per_day=100_000,
    idempotency_window_s=600.0,  # WeChat promises ten minutes for one openid and client_msg_id
)

# What a template field may hold, by the type its name begins with. A longer one is refused with 47003.
FIELD_CHARS_MAX = {"thing": 20, "phrase": 5, "character_string": 32, "const": 20, "time": 20, "date": 20}
_ALARMING = frozenset({"urgent", "emergency", "drill"})


@dataclass(frozen=True)
class Template:
    """The template an operator chose on the settings page, and which of its fields takes which part of a notice."""

    id: str
    fields: tuple[tuple[str, str], ...]  # (part, field): ("title", "thing1"), ...

    @classmethod
    def of(cls, template_id: str, fields: str) -> Template:
        pairs = tuple((part, name) for part, _, name in (pair.partition("=") for pair in fields.split()))
        for part, name in pairs:
            if part not in {"title", "text", "issuer", "area", "time"} or _field_type(name) not in FIELD_CHARS_MAX:
                raise ValueError(f"template_fields: {part}={name} is not a part of a notice and a known field type")
        if "title" not in dict(pairs):
            raise ValueError("template_fields must name a field for the title")
        return cls(template_id, pairs)


class Wechat:
    name = CHANNEL_NAME
    title = "WeChat official account"
    caps = CAPS

    def __init__(self, client: WechatClient, door: Door, template: Template) -> None:
        self._client, self._door, self._template = client, door, template

    def __repr__(self) -> str:
        return f"Wechat({self._client!r}, {self._template!r})"

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        title, badge = one_line(message.title), words.badge(message)
        if not title:
            return Skip("the notice has no title")
        if badge and (message.priority in _ALARMING or message.kind == RETRACTION):
            title = f"【{badge}】{title}" if message.lang.startswith("zh") else f"[{badge}] {title}"
        whole = {
            "title": title,
            "text": one_line(without_salutation(message.text)),
            "issuer": one_line(message.issuer),
            "area": one_line(message.area_name),
            "time": words.when(message),
        }
        filled = tuple((name, self._fitted(name, whole[part], message)) for part, name in self._template.fields)
        said = dict(zip((part for part, _ in self._template.fields), (value for _, value in filled), strict=True))
        return Rendered(
            title=said["title"],
            body=said.get("text", ""),
            badge=badge,
            url=message.url,
            issuer=said.get("issuer", ""),
            when=whole["time"],
            fields=filled,
            cut=said["title"] != title or said.get("text", "") != whole["text"],
        )

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self._carry(batch, "send")

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        withdrawn = [replace(delivery, message=replace(delivery.message, kind=RETRACTION)) for delivery in batch]
        return await self._carry(withdrawn, "recall")

    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        return self._door.receive(callback, now, seen)

    def saying(self, reply: Reply, callback: Callback, text: str, now: datetime, chance: bytes) -> Reply:
        return self._door.saying(reply, callback, text, now, chance)

    async def set_menu(self, buttons: Sequence[Button]) -> Outcome:
        """The account's menu: at most 3 buttons."""
        shown = [{"type": "click", "name": each.name, "key": each.key} for each in buttons]
        answer = await self._client.call("/cgi-bin/menu/create", {"button": shown})
        return answer.outcome if isinstance(answer, Refusal) else Accepted("")

    async def scene_ticket(self, scene: str, expires_s: int) -> str | Outcome:
        """A ticket for a QR code that brings `scene` back. Put a random one-time token in it, never a resident."""
        answer = await self._client.call(
            "/cgi-bin/qrcode/create",
            {
                "expire_seconds": expires_s,
                "action_name": "QR_STR_SCENE",
                "action_info": {"scene": {"scene_str": scene}},
            },
        )
        if isinstance(answer, Refusal):
            return answer.outcome
        return str(answer.get("ticket", ""))

    async def _carry(self, batch: Sequence[Delivery], purpose: str) -> list[Outcome]:
        gate, stopped = asyncio.Semaphore(AT_ONCE_MAX), asyncio.Event()
        reasons: list[Outcome] = []

        async def carry(delivery: Delivery) -> Outcome:
            async with gate:
                if stopped.is_set():  # quota gone, token refused, far end hung: asking again would change nothing
                    return reasons[0]
                answer = await self._deliver(delivery, purpose)
                if isinstance(answer, Refusal):
                    if answer.for_all:
                        reasons.append(answer.outcome)
                        stopped.set()
                    return answer.outcome
                return answer

        return list(await asyncio.gather(*map(carry, batch)))

    async def _deliver(self, delivery: Delivery, purpose: str) -> Outcome | Refusal:
        rendered = self.render(delivery.message, delivery.large)
        if isinstance(rendered, Skip):
            return _Dead(rendered.reason)
        if delivery.address.kind != ADDRESS_KIND:
            return _Dead("not a WeChat address")
        answer = await self._client.call(
            "/cgi-bin/message/template/send",
            {
                "touser": delivery.address.value,
                "template_id": self._template.id,
                "url": rendered.url,
                "client_msg_id": client_msg_id(delivery.idempotency_key, purpose),
                "data": {name: {"value": value} for name, value in rendered.fields},
            },
        )
        if isinstance(answer, Refusal):
            return answer
        message_id = answer.get("msgid")
        return Accepted(str(message_id) if message_id else "")

    def _fitted(self, name: str, value: str, message: Message) -> str:
        # An empty field is refused like one that is too long.
        return cut(value or words.open_to_read(message), FIELD_CHARS_MAX[_field_type(name)])


def client_msg_id(idempotency_key: str, purpose: str) -> str:
    """32 characters, since a longer key is refused (45067); a recall is not the repeat of its notice."""
    return hashlib.sha256(f"{purpose} {idempotency_key}".encode()).hexdigest()[:32]


def _field_type(name: str) -> str:
    return re.sub(r"\d+$", "", name)


def create(config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock, store: TokenStore | None = None) -> Wechat:
    """`store` lets several workers share one token; without it this process holds its own."""
    values = {setting.name: config.get(setting.name, setting.default) for setting in SETTINGS}
    given = {name: value for name, value in values.items() if value is not None}
    if missing := sorted(values.keys() - given.keys()):
        raise ValueError(f"the WeChat channel needs the settings {', '.join(missing)}")
    account = Account(given["api_base"].rstrip("/"), given["appid"], given["secret"])
    aes_key = given["aes_key"]
    cipher = MessageCipher.of(account.appid, aes_key) if aes_key else None
    return Wechat(
        WechatClient(account, net, clock, store or MemoryTokenStore()),
        Door(given["token"], cipher),
        Template.of(given["template_id"], given["template_fields"]),
    )
