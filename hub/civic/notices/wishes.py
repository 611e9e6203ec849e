"""What a resident wants on each channel (消息偏好), their quiet hours (免打扰) and the daily overview (每日一览)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from hub import audience, digest, directory, preferences
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Refused
from hub.i18n import LANGUAGES, _, pick
from hub.preferences import Preference, Quiet, clock_time, minute, next_at

DIGEST_AT = 18 * 60  # offered to whoever has not chosen: dinner is ready and nobody sleeps
ZONES = (
    ("Asia/Shanghai", "北京时间", "Beijing"),
    ("Asia/Urumqi", "乌鲁木齐", "Urumqi"),
    ("Asia/Hong_Kong", "香港", "Hong Kong"),
    ("Asia/Tokyo", "东京", "Tokyo"),
    ("Australia/Sydney", "悉尼", "Sydney"),
    ("Europe/Berlin", "柏林", "Berlin"),
    ("Europe/London", "伦敦", "London"),
    ("America/New_York", "纽约", "New York"),
    ("America/Los_Angeles", "洛杉矶", "Los Angeles"),
)
COMMUNITY, OWN, NONE = "community", "own", "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form as it stands."""

    channels: tuple[str, ...]
    classes: tuple[tuple[str, str], ...]
    refused: frozenset[tuple[str, str]]
    quiet: str  # community | own | none
    curfew: str  # the community's hours as text, or "" for none
    start: str
    end: str
    zone: str
    zones: tuple[tuple[str, str], ...]
    digest: bool
    digest_at: str
    digest_channel: str
    lang: str


def standing(read: Read, ident: str, channels: Sequence[str], curfew: Quiet | None) -> Wanted:
    row = preferences.of(read, ident)
    night = Quiet(row.quiet_start, row.quiet_end) if row.own_quiet else curfew or Quiet(21 * 60 + 30, 7 * 60 + 30)
    kept = NONE if row.own_quiet and night.start == night.end else OWN if row.own_quiet else COMMUNITY
    home = read.session.get_one(Area, directory.resident(read, ident).area).tz
    named = ZONES if any(zone == home for zone, _zh, _en in ZONES) else ((home, home, home), *ZONES)
    return Wanted(
        channels=tuple(channels), classes=tuple((each.id, each.name) for each in preferences.classes()),
        refused=frozenset(preferences.refused(read, ident)), quiet=kept, curfew=str(curfew) if curfew else "",
        start=clock_time(night.start), end=clock_time(night.end), zone=row.zone or home,
        zones=tuple((zone, pick(zh, en)) for zone, zh, en in named), digest=row.digest_at is not None,
        digest_at=clock_time(DIGEST_AT if row.digest_at is None else row.digest_at),
        digest_channel=row.digest_channel if row.digest_channel in channels else "".join(channels[:1]),
        lang=row.lang or LANGUAGES[0],
    )  # fmt: skip


def choose(tx: Tx, ident: str, form: FormData) -> None:
    """All of the form at once, or one sentence about what is wrong with it."""
    bound = [each.channel for each in audience.of_resident(tx, ident)]
    wanted = set(form.getlist("want"))
    for channel in bound:
        topics = [each.id for each in preferences.classes() if f"{channel}.{each.id}" not in wanted]
        preferences.refuse(tx, ident, channel, topics)
    home = tx.session.get_one(Area, directory.resident(tx, ident).area).tz
    row = preferences.of(tx, ident)
    _keep_night(row, form, home)
    gathered = str(form.get("digest", "")) == "on"
    row.digest_at = minute(str(form.get("digest_at", ""))) if gathered else None
    channel = str(form.get("digest_channel", ""))
    row.digest_channel = channel if channel in bound else ""
    lang = str(form.get("lang", "")) or row.lang or LANGUAGES[0]
    if lang not in LANGUAGES:
        raise Refused(_("This page is out of date; load it again"))
    row.lang = lang
    tx.session.add(row)
    tx.session.flush()
    now, zone = tx.now(), row.zone or home
    digest.postpone(tx, ident, now if row.digest_at is None else next_at(now, row.digest_at, zone))


def _keep_night(row: Preference, form: FormData, home: str) -> None:
    kept, zone = str(form.get("quiet", COMMUNITY)), str(form.get("zone", "")) or home
    if kept not in (COMMUNITY, OWN, NONE) or zone not in {home, *(each for each, _zh, _en in ZONES)}:
        raise Refused(_("This page is out of date; load it again"))
    row.own_quiet, row.zone = kept != COMMUNITY, "" if zone == home else ZoneInfo(zone).key
    if kept == OWN:
        row.quiet_start, row.quiet_end = minute(str(form.get("start", ""))), minute(str(form.get("end", "")))
        if row.quiet_start == row.quiet_end:
            raise Refused(_("Quiet hours begin and end at different times; to have none, choose none"))
    else:
        row.quiet_start = row.quiet_end = 0
