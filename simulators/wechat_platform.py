"""What the simulated WeChat platform knows and decides: tokens, followers, templates, quota. No HTTP here."""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

TOKEN_S = 7200
OVERLAP_S = 300  # the platform renews this early; old and new are valid together
FORCE_APART_S, FORCE_PER_DAY = 30, 20
DEDUPE_S = 600
INBOX_MAX = 10_000  # the newest stay; the simulator may run beside a city for days
MENU_BUTTONS_MAX, SUB_BUTTONS_MAX = 3, 5
SCENE_BYTES_MAX, SCENE_S_MAX = 64, 2_592_000

_FIELD_RULES = {
    "thing": re.compile(r"[^\r\n\t]{1,20}"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "character_string": re.compile(r"[\x21-\x7e]{1,32}"),
    "const": re.compile(r"[^\r\n\t]{1,20}"),
    "time": re.compile(r"(\d{4}年\d{1,2}月\d{1,2}日|\d{4}-\d{1,2}-\d{1,2})?( ?\d{1,2}:\d{2}(:\d{2})?)?"),
    "date": re.compile(r"\d{4}年\d{1,2}月\d{1,2}日( \d{1,2}:\d{2})?|\d{4}-\d{1,2}-\d{1,2}( \d{1,2}:\d{2})?"),
}
_MESSAGES = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40013: "invalid appid",
    40014: "invalid access_token",
    40037: "invalid template_id",
    40125: "invalid appsecret",
    41001: "access_token missing",
    42001: "access_token expired",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower",
    45067: "clientmsgid size out of limit",
    47001: "data format error",
    47003: "argument invalid!",
    48001: "api unauthorized",
}


class Rejected(Exception):
    def __init__(self, errcode: int, detail: str = "") -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.errmsg = " ".join(filter(None, (_MESSAGES.get(errcode, "error"), detail)))


@dataclass(frozen=True)
class Arrival:
    """A template message on a follower's phone."""

    who: str
    template: str
    fields: Mapping[str, str]
    url: str
    at: str
    msgid: int


@dataclass(frozen=True)
class _Issued:
    value: str
    until: datetime


@dataclass
class Platform:
    appid: str
    secret: str = field(repr=False)
    templates: Mapping[str, tuple[str, ...]]
    chance: random.Random
    now: Callable[[], datetime]
    daily_quota: int = 100_000
    token_s: float = TOKEN_S
    followers: set[str] = field(default_factory=set)
    inbox: deque[Arrival] = field(default_factory=lambda: deque(maxlen=INBOX_MAX))
    menu: list[Mapping[str, object]] = field(default_factory=list)
    sent_today: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._token: _Issued | None = None
        self._retired: dict[str, datetime] = {}  # token -> when it stops to be good
        self._forced: list[datetime] = []
        self._known: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._msgid = 200_000_000 + self.chance.randrange(10**8)

    def issue_token(self, asked: Mapping[str, object]) -> dict[str, object]:
        if asked.get("grant_type") != "client_credential":
            raise Rejected(40002)
        if asked.get("appid") != self.appid:
            raise Rejected(40013)
        if asked.get("secret") != self.secret:
            raise Rejected(40125)
        now = self.now()
        if asked.get("force_refresh") is True:
            self._count_force(now)
            self._renew(now, old_good_s=0)
        elif self._token is None or now >= self._token.until - timedelta(seconds=min(OVERLAP_S, self.token_s / 4)):
            self._renew(now, old_good_s=OVERLAP_S)
        if self._token is None:
            raise Rejected(-1)
        return {"access_token": self._token.value, "expires_in": int((self._token.until - now).total_seconds())}

    def expire_tokens(self) -> None:
        """As if two hours had passed: whatever was issued answers 42001 from now on."""
        if self._token:
            self._retired[self._token.value] = self.now()
            self._token = None

    def admit(self, token: str) -> None:
        if not token:
            raise Rejected(41001)
        now = self.now()
        if self._token and token == self._token.value:
            if now >= self._token.until:
                raise Rejected(42001)
            return
        if token not in self._retired:
            raise Rejected(40014)
        if now >= self._retired[token]:
            raise Rejected(42001 if self._token is None else 40001)

    def send(self, asked: Mapping[str, object]) -> tuple[int, Arrival | None]:
        """The message id, and what arrived; nothing arrives twice for one client_msg_id."""
        openid, template_id, data = asked.get("touser"), asked.get("template_id"), asked.get("data")
        if not isinstance(openid, str) or not openid:
            raise Rejected(40003)
        if not isinstance(template_id, str) or template_id not in self.templates:
            raise Rejected(40037)
        if not isinstance(data, dict):
            raise Rejected(47001)
        if openid not in self.followers:
            raise Rejected(43004)
        fields = _checked(self.templates[template_id], data)
        key = str(asked.get("client_msg_id") or "")
        if len(key.encode()) > 64:
            raise Rejected(45067)
        now = self.now()
        if key and (known := self._known.get((openid, key))) and now < known[1]:
            return known[0], None
        day = f"{now + timedelta(hours=8):%Y-%m-%d}"
        if self.sent_today[day] >= self.daily_quota:
            raise Rejected(45009)
        self.sent_today[day] += 1
        self._msgid += self.chance.randrange(1, 100)
        arrival = Arrival(openid, template_id, fields, str(asked.get("url") or ""), now.isoformat(), self._msgid)
        self.inbox.appendleft(arrival)
        if key:
            self._forget_old_keys(now)
            self._known[openid, key] = (self._msgid, now + timedelta(seconds=DEDUPE_S))
        return self._msgid, arrival

    def set_menu(self, asked: Mapping[str, object]) -> None:
        buttons = asked.get("button")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= MENU_BUTTONS_MAX:
            raise Rejected(40016)
        for button in buttons:
            if not isinstance(button, dict) or not button.get("name"):
                raise Rejected(40018)
            if len(button.get("sub_button", [])) > SUB_BUTTONS_MAX:
                raise Rejected(40023)
        self.menu = buttons

    def scene_ticket(self, asked: Mapping[str, object]) -> dict[str, object]:
        info = asked.get("action_info")
        scene = info.get("scene", {}).get("scene_str") if isinstance(info, dict) else None
        if asked.get("action_name") not in {"QR_STR_SCENE", "QR_LIMIT_STR_SCENE"} or not isinstance(scene, str):
            raise Rejected(40053)
        if not 1 <= len(scene.encode()) <= SCENE_BYTES_MAX:
            raise Rejected(40053)
        wished = asked.get("expire_seconds", 60)
        life_s = min(wished if isinstance(wished, int) else 60, SCENE_S_MAX)
        ticket = f"g{self.chance.getrandbits(160):040x}"
        return {"ticket": ticket, "expire_seconds": life_s, "url": f"https://weixin.example/q/{ticket[:12]}"}

    def _count_force(self, now: datetime) -> None:
        self._forced = [at for at in self._forced if now - at < timedelta(days=1)]
        if len(self._forced) >= FORCE_PER_DAY:
            raise Rejected(45009)
        if self._forced and now - self._forced[-1] < timedelta(seconds=FORCE_APART_S):
            raise Rejected(45011)
        self._forced.append(now)

    def _forget_old_keys(self, now: datetime) -> None:
        """Oldest first; a dict keeps the order in which keys came."""
        while self._known and (oldest := next(iter(self._known.items())))[1][1] <= now:
            del self._known[oldest[0]]

    def _renew(self, now: datetime, old_good_s: float) -> None:
        if self._token:
            self._retired[self._token.value] = min(self._token.until, now + timedelta(seconds=old_good_s))
        value = f"{self.chance.randrange(10, 99)}_{self.chance.getrandbits(256):064x}"
        self._token = _Issued(value, now + timedelta(seconds=self.token_s))


def _checked(names: tuple[str, ...], data: Mapping[str, object]) -> dict[str, str]:
    """What the template shows of it. Other fields, `first` and `remark` among them, are dropped without a word."""
    fields: dict[str, str] = {}
    for name in names:
        entry = data.get(name)
        value = entry.get("value") if isinstance(entry, dict) else None
        if value is None or value == "":
            raise Rejected(47003, f"data.{name}.value is empty")
        rule = _FIELD_RULES.get(re.sub(r"\d+$", "", name))
        if not isinstance(value, str) or (rule and not rule.fullmatch(value)):
            raise Rejected(47003, f"data.{name}.value invalid")
        fields[name] = value
    return fields
