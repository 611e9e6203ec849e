"""What takes place in a community as a calendar (iCalendar, RFC 5545) that a phone can subscribe to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from channels.text import one_line
from hub import directory
from hub.access import public
from hub.civic.activities.models import Activity
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _
from hub.page import services

LINE_OCTETS_MAX = 75  # RFC 5545 3.1
KEPT = timedelta(days=30)  # what is over longer ago leaves the phone
ITEMS_MAX = 500
FRESH_S = 300
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
router = APIRouter(include_in_schema=False)


@router.get("/feeds/{area}.ics", dependencies=[public("what takes place in a community is public")])
async def subscribed(request: Request, area: str, lang: str = "zh") -> Response:
    hub = services(request)

    def look(read: Read) -> bytes:
        if not (len(area) == 12 and area.isascii() and area.isdigit()):
            raise NotFound(_("There is no such area"))
        place = directory.area(read, area)
        return calendar(place, _listed(read, area), hub.config.get("public_url", ""), lang)

    body = await hub.store.read(look)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={FRESH_S}"}
    if tag in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def calendar(place: Area, activities: Sequence[Activity], base: str, lang: str) -> bytes:
    """Pure. What was called off stays in, called off: a phone would otherwise keep what it has."""
    name = f"{place.en} activities" if lang == "en" else f"{place.zh}活动"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Linli//Activities//ZH", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_escaped(name)}", f"X-WR-TIMEZONE:{place.tz}",
    ]  # fmt: skip
    for each in activities:
        english = lang == "en" and bool(each.en)
        lines += [
            "BEGIN:VEVENT",
            f"UID:{each.id}@linli",
            f"DTSTAMP:{_utc(each.published_at)}",
            f"DTSTART:{_utc(each.starts)}",
            f"DTEND:{_utc(each.ends)}",
            f"SUMMARY:{_escaped(each.en if english else each.zh)}",
            f"LOCATION:{_escaped(each.place_en if english and each.place_en else each.place_zh)}",
            f"URL:{base}/activities?area={each.area}",
            f"SEQUENCE:{1 if each.state == 'cancelled' else 0}",
            f"STATUS:{'CANCELLED' if each.state == 'cancelled' else 'CONFIRMED'}",
            "END:VEVENT",
        ]
    return b"".join(folded(line) for line in [*lines, "END:VCALENDAR"])


def folded(line: str) -> bytes:
    """One line as it travels: at most 75 octets, no character cut in two, each further part after a blank."""
    parts, part = [], b""
    for char in line:
        octets = char.encode()
        if len(part) + len(octets) > LINE_OCTETS_MAX:
            parts.append(part)
            part = b" "
        part += octets
    return b"\r\n".join([*parts, part]) + b"\r\n"


def _listed(read: Read, area: str) -> list[Activity]:
    rows = read.session.execute(
        select(Activity)
        .where(col(Activity.area) == area, col(Activity.ends) >= read.now() - KEPT)
        .order_by(col(Activity.starts), col(Activity.id))
        .limit(ITEMS_MAX)
    )
    return list(rows.scalars())


def _escaped(text: str) -> str:
    return one_line(text).translate(_ESCAPED)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
