"""Text messages (短信): reviewed templates through a signed HTTPS gateway; receipts, answers and costs come back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx

from channels import words
from channels.base import (
    RETRACTION,
    Accepted,
    Callback,
    Caps,
    Clock,
    Dead,
    Delivery,
    Message,
    Outcome,
    Rendered,
    Reply,
    Retry,
    Skip,
)
from channels.post import Refusal
from channels.sms_callback import ADDRESS_KIND, Door
from channels.sms_gateway import Account, PlainGateway, Provider, Text
from channels.sms_limit import Window
from channels.sms_proof import EXAMPLES, EXCHANGES, SETTINGS
from channels.sms_text import TEXT_CHARS_MAX, VARIABLE_CHARS_MAX, fill, parts
from channels.text import one_line

__all__ = ["CHANNEL_NAME", "EXAMPLES", "EXCHANGES", "SETTINGS", "Sms", "create"]

CHANNEL_NAME = "sms"

AT_ONCE_MAX = 8
CAPS = Caps(
    shape="addressed",
    address_kind="person",
    ceiling="acknowledged",  # by answering 1
    title_chars_max=VARIABLE_CHARS_MAX,
    body_chars_max=TEXT_CHARS_MAX,
    recall=False,  # nothing can be taken off a phone: a correction follows
    obeys_quiet_hours=True,
    batch_max=20,
    per_s=50.0,
    idempotency_window_s=86_400.0,
)


@dataclass(frozen=True)
class Terms:
    """What was agreed with the provider and its reviewers."""

    sign: str
    contact: str
    fen_per_part: int
    codes: Mapping[str, str] = field(default_factory=dict)  # our template's name -> the code it was approved under

    @classmethod
    def of(cls, sign: str, contact: str, fen_per_part: str, templates: str) -> Terms:
        pairs = [pair.partition("=") for pair in templates.split()]
        if not all(name and code for name, _, code in pairs):
            raise ValueError("templates: each is our name, =, and the code it was approved under")
        if not fen_per_part.isdigit() or not one_line(sign):
            raise ValueError("fen_per_part is a whole number of fen, and sign is not empty")
        return cls(one_line(sign), one_line(contact), int(fen_per_part), {name: code for name, _, code in pairs})


class Sms:
    name = CHANNEL_NAME
    title = "Text message"
    caps = CAPS

    def __init__(self, provider: Provider, door: Door, terms: Terms, clock: Clock) -> None:
        self._provider, self._door, self._terms, self._clock = provider, door, terms, clock
        self._window = Window()

    def __repr__(self) -> str:
        return f"Sms({self._provider!r}, {self._terms!r})"

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        if not one_line(message.title) and not message.personal:
            return Skip("the notice has no title")
        filled = fill(message, self._terms.sign, self._terms.contact)
        variables = dict(filled.variables)
        billed = parts(filled.text)
        code = self._terms.codes.get(filled.template, filled.template)
        return Rendered(
            title=variables.get("title") or words.new_message(message),
            body=filled.text,
            badge=words.badge(message),
            when=words.when(message),
            fields=(("template", code), *filled.variables),
            cut=filled.cut,
            parts=billed,
            cost_fen=billed * self._terms.fen_per_part,
        )

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self._carry(batch, "send")

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        withdrawn = [replace(delivery, message=replace(delivery.message, kind=RETRACTION)) for delivery in batch]
        return await self._carry(withdrawn, "recall")

    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        return self._door.receive(callback, now, seen)

    async def _carry(self, batch: Sequence[Delivery], purpose: str) -> list[Outcome]:
        gate, reasons = asyncio.Semaphore(AT_ONCE_MAX), list[Outcome]()

        async def carry(delivery: Delivery) -> Outcome:
            async with gate:
                if reasons:  # no money, wrong signature, far end hung: asking again would change nothing
                    return reasons[0]
                answer = await self._deliver(delivery, purpose)
                if isinstance(answer, Refusal):
                    if answer.for_all:
                        reasons.append(answer.outcome)
                    return answer.outcome
                return answer

        return list(await asyncio.gather(*map(carry, batch)))

    async def _deliver(self, delivery: Delivery, purpose: str) -> Outcome | Refusal:
        rendered = self.render(delivery.message, delivery.large)
        if isinstance(rendered, Skip):
            return Dead(rendered.reason)
        if delivery.address.kind != ADDRESS_KIND:
            return Dead("not a telephone number")
        number, now = delivery.address.value, self._clock.now()
        (_, template), *variables = rendered.fields
        wait_s = self._window.wait_s(number, template, now)
        if wait_s is not None:
            return Retry(wait_s, "this number had too many messages of one kind today")
        key = message_key(delivery.idempotency_key, purpose)
        text = Text(key, number, self._terms.sign, template, tuple(variables), rendered.parts)
        answer = await self._provider.send(text, self._terms.fen_per_part)
        if isinstance(answer, Accepted):
            self._window.note(number, template, now)
        return answer


def message_key(idempotency_key: str, purpose: str) -> str:
    """A recall is not the repeat of its notice."""
    return hashlib.sha256(f"{purpose} {idempotency_key}".encode()).hexdigest()[:32]


def create(config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock) -> Sms:
    values = {setting.name: config.get(setting.name, setting.default) for setting in SETTINGS}
    given = {name: value for name, value in values.items() if value is not None}
    if missing := sorted(values.keys() - given.keys()):
        raise ValueError(f"the SMS channel needs the settings {', '.join(missing)}")
    account = Account(given["url"].rstrip("/"), given["access_id"], given["secret"])
    return Sms(
        PlainGateway(account, net, clock),
        Door(account.access_id, account.secret),
        Terms.of(given["sign"], given["contact"], given["fen_per_part"], given["templates"]),
        clock,
    )
