"""How numbers and times are written for people, in the language of the moment and the zone of the area."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub.i18n import language

ZONE = "Asia/Shanghai"
_WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def n(value: int | float | Decimal | str) -> str:
    """A number with thousands set apart; its decimals stay as they are."""
    text = str(value)
    whole, dot, rest = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{dot}{rest}" if digits.isdigit() else text


def points(value: int) -> str:
    return f"{value:,}"


def day(at: datetime | date, tz: str = ZONE) -> str:
    """11月22日 星期日 / Sun 22 Nov."""
    here = local(at, tz) if isinstance(at, datetime) else at
    weekday = _WEEKDAYS["zh" if language() == "zh" else "en"][here.weekday()]
    if language() == "zh":
        return f"{here.month}月{here.day}日 {weekday}"
    return f"{weekday} {here.day} {_MONTHS[here.month - 1]}"


def date_of(at: datetime | date, tz: str = ZONE) -> str:
    """2026年11月22日 / 22 Nov 2026: on paper that is kept for years."""
    here = local(at, tz) if isinstance(at, datetime) else at
    if language() == "zh":
        return f"{here.year}年{here.month}月{here.day}日"
    return f"{here.day} {_MONTHS[here.month - 1]} {here.year}"


def clock(at: datetime, tz: str = ZONE) -> str:
    return local(at, tz).strftime("%H:%M")


def stamp(at: datetime, tz: str = ZONE) -> str:
    """2026年11月22日 08:30 / 22 Nov 2026 08:30: right at any hour, for text that is drawn once and kept."""
    here = local(at, tz)
    if language() == "zh":
        return f"{here.year}年{here.month}月{here.day}日 {here:%H:%M}"
    return f"{here.day} {_MONTHS[here.month - 1]} {here.year} {here:%H:%M}"


def local(at: datetime, tz: str) -> datetime:
    return at.astimezone(ZoneInfo(tz))
