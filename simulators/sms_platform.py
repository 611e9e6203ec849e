"""What the simulated SMS gateway knows and decides: signatures, reviewed templates, limits, money. No HTTP here."""

from __future__ import annotations

import hashlib
import hmac
import random
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DEDUPE = timedelta(hours=24)
PER_NUMBER_MAX, WINDOW = 50, timedelta(hours=24)
CLOCK_S_MAX = 300
VARIABLE_CHARS_MAX, TEXT_CHARS_MAX = 35, 500
INBOX_MAX = 10_000

_HEADER = re.compile(
    r"LINLI1-HMAC-SHA256 id=([\w.-]+), time=(\d+), nonce=([0-9a-z]{8,64}), signature=([0-9a-f]{64})", re.ASCII
)
_NUMBER = re.compile(r"1\d{10}", re.ASCII)
_FORBIDDEN = re.compile(r"https?:|www\.|[【】${}\r\n\t]|\d{7}")


class Rejected(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Arrival:
    """A text message on somebody's phone."""

    number: str
    text: str
    template: str
    parts: int
    at: str
    id: str


@dataclass
class Platform:
    access_id: str
    secret: str = field(repr=False)
    sign: str
    templates: Mapping[str, str]  # code -> the reviewed text, ${...} where variables stand
    chance: random.Random
    now: Callable[[], datetime]
    inbox: deque[Arrival] = field(default_factory=lambda: deque(maxlen=INBOX_MAX))
    stopped: set[str] = field(default_factory=set)
    fen: int | None = None  # what is left on the account; None: not counted

    def __post_init__(self) -> None:
        self._nonces: dict[str, datetime] = {}
        self._known: dict[str, tuple[str, int, datetime]] = {}
        self._sent: dict[tuple[str, str], deque[datetime]] = {}
        self._count = self.chance.randrange(10**6)

    def admit(self, header: str, body: bytes) -> None:
        """The caller's signature over these bytes, young and not seen before."""
        found = _HEADER.fullmatch(header)
        if found is None or found[1] != self.access_id:
            raise Rejected("SIGNATURE")
        expected = mark_of(self.secret, "send", self.access_id, found[2], found[3], body)
        if not hmac.compare_digest(expected, found[4]):
            raise Rejected("SIGNATURE")
        now = self.now()
        if abs(now.timestamp() - int(found[2])) > CLOCK_S_MAX:
            raise Rejected("CLOCK")
        self._nonces = {nonce: at for nonce, at in self._nonces.items() if now - at < timedelta(seconds=600)}
        if found[3] in self._nonces:
            raise Rejected("SIGNATURE")
        self._nonces[found[3]] = now

    def send(self, asked: Mapping[str, object]) -> tuple[str, int, Arrival | None]:
        """The message id, its parts, and what arrived; nothing arrives twice for one key."""
        key, number, code = (asked.get(name) for name in ("key", "number", "template"))
        if not isinstance(key, str) or not 8 <= len(key) <= 64:
            raise Rejected("REQUEST")
        now = self.now()
        if (known := self._known.get(key)) and now < known[2]:
            return known[0], known[1], None
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            raise Rejected("NUMBER")
        if number in self.stopped:
            raise Rejected("STOPPED")
        if asked.get("sign") != self.sign:
            raise Rejected("SIGN")
        if not isinstance(code, str) or code not in self.templates:
            raise Rejected("TEMPLATE")
        text = f"【{self.sign}】{_filled(self.templates[code], asked.get('variables'))}"
        billed = parts(text)
        self._count_one(number, code, billed, now)
        self._count += self.chance.randrange(1, 9)
        ident = f"{now:%Y%m%d}-{self._count:08d}"
        arrival = Arrival(number, text, code, billed, now.isoformat(), ident)
        self.inbox.appendleft(arrival)
        self._known[key] = (ident, billed, now + DEDUPE)
        return ident, billed, arrival

    def _count_one(self, number: str, code: str, billed: int, now: datetime) -> None:
        sent = self._sent.setdefault((number, code), deque())
        while sent and now - sent[0] >= WINDOW:
            sent.popleft()
        if len(sent) >= PER_NUMBER_MAX:
            raise Rejected("LIMIT")
        if self.fen is not None:
            if self.fen < billed * 5:
                raise Rejected("BALANCE")
            self.fen -= billed * 5
        sent.append(now)


def parts(text: str) -> int:
    length = len(text.encode("utf-16-le")) // 2
    if length > TEXT_CHARS_MAX:
        raise Rejected("LENGTH")
    return 1 if length <= 70 else (length + 66) // 67


def mark_of(secret: str, purpose: str, access_id: str, at: str, nonce: str, body: bytes) -> str:
    said = f"LINLI1\n{purpose}\n{access_id}\n{at}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def _filled(reviewed: str, variables: object) -> str:
    names = re.findall(r"\$\{(\w+)\}", reviewed)
    if not isinstance(variables, dict) or set(variables) != set(names):
        raise Rejected("VARIABLE")
    for value in variables.values():
        if not isinstance(value, str) or not 0 < len(value) <= VARIABLE_CHARS_MAX or _FORBIDDEN.search(value):
            raise Rejected("VARIABLE")
    return re.sub(r"\$\{(\w+)\}", lambda found: str(variables[found[1]]), reviewed)
