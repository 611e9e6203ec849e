"""The programme guide as XMLTV: a half-hour grid whose slots never move, named after what is shown in them.

Players keep what they were told and tell programmes by their beginning: slots that moved would stand twice. So a new
notice changes the words of a slot and nothing else. An activity names the slots it takes place in; the notices take
turns in the others, the weightier first; a slot with nothing to tell is the channel's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, SubElement, indent, tostring
from zoneinfo import ZoneInfo

from hub.civic.television.lineup import Station
from hub.i18n import _, language
from hub.slides import Slide

SLOT = timedelta(minutes=30)
BEFORE = timedelta(hours=1)  # what is on now, also for a set whose clock is slow
FEW_STATIONS, HOURS_FEW, HOURS_MANY = 100, 24, 8  # a city's day would be 75,000 programmes
NEWS = "News"  # the word by which Kodi and Jellyfin know news, whatever language the guide is in
TEXT_CHARS_MAX = 400  # what a guide shows before nobody scrolls further
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Programme:
    starts: datetime
    title: str
    text: str
    notice: bool = False


def grid(now: datetime, hours: int) -> list[datetime]:
    first = datetime.fromtimestamp((now - BEFORE).timestamp() // SLOT.total_seconds() * SLOT.total_seconds(), UTC)
    return [first + SLOT * place for place in range(int((BEFORE + timedelta(hours=hours)) / SLOT))]


def programmes(shown: Sequence[Slide], name: str, slots: Sequence[datetime]) -> list[Programme]:
    """Which slot is named after what. Pure, and for a slot the same at every look as long as the slides are."""
    made = []
    for start in slots:
        end = start + SLOT
        event = next((each for each in shown if each.happens and _meet(*each.happens, start, end)), None)
        told = [each for each in shown if each.happens is None and (each.until is None or each.until > start)]
        covering = next((each for each in told if each.covers), None)
        turn = told[int(start.timestamp() // SLOT.total_seconds()) % len(told)] if told else None
        chosen = covering or event or turn
        if chosen is None:
            made.append(Programme(start, _("{name} today").format(name=name), _("Notices, activities, honour roll")))
            continue
        title = f"{chosen.badge} {chosen.title}".strip()
        others = [each.title for each in told if each is not chosen]
        text = chosen.text
        if others:
            text = f"{text}\n{_('Also: {titles}').format(titles=_(', ').join(others))}"
        made.append(Programme(start, title, text[:TEXT_CHARS_MAX], notice=chosen.happens is None))
    return made


def _meet(begins: datetime, ends: datetime, start: datetime, end: datetime) -> bool:
    return begins < end and ends > start


def xmltv(listed: Sequence[tuple[Station, Sequence[Programme]]], base: str) -> bytes:
    """Valid by xmltv.dtd: every channel first, then every programme; nothing without its channel."""
    top = Element("tv", {"generator-info-name": "Linli", "source-info-name": _text(_("Community channel"))})
    tongue = "zh" if language() == "zh" else "en"
    for each, _shown in listed:
        channel = SubElement(top, "channel", id=each.id)
        SubElement(channel, "display-name", lang=tongue).text = _text(each.name)
        SubElement(channel, "display-name").text = str(each.number)
        SubElement(channel, "icon", src=f"{base}/tv/{each.area}/logo.png", width="256", height="256")
    for each, shown in listed:
        zone = ZoneInfo(each.tz)
        for one in shown:
            ends = one.starts + SLOT
            programme = SubElement(
                top, "programme", start=_time(one.starts, zone), stop=_time(ends, zone), channel=each.id
            )
            SubElement(programme, "title", lang=tongue).text = _text(one.title) or _text(each.name)
            SubElement(programme, "desc", lang=tongue).text = _text(one.text)
            kind = _("Notices") if one.notice else _("Community channel")
            SubElement(programme, "category", lang=tongue).text = kind
            if one.notice:
                SubElement(programme, "category", lang="en").text = NEWS
    indent(top)
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tv SYSTEM "xmltv.dtd">\n'
    body: bytes = tostring(top, encoding="utf-8")
    return head + body + b"\n"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y%m%d%H%M%S %z")


def _text(text: str) -> str:
    return " ".join(_NOT_XML.sub("", text).split())
