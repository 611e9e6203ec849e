"""The public notices of a place for whoever reads feeds: Atom 1.0 and RSS 2.0, the active set and nothing besides.

What is withdrawn or over is gone at the next look; nobody is told who looked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlmodel import col

from channels.base import Message
from channels.text import clean, one_line
from hub import directory
from hub.access import public
from hub.civic.notices import active
from hub.civic.notices.message import message_of
from hub.civic.notices.models import Notice, NoticeArea
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _
from hub.page import services

ATOM = "http://www.w3.org/2005/Atom"
FRESH_S = 60  # a reader asks every few minutes; a proxy before us may answer for one
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # a place that never had a notice; the same at every look
register_namespace("atom", ATOM)
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Feed:
    """A place's notices as any feed shows them."""

    area: str
    title: str
    lang: str
    changed: datetime
    items: tuple[Message, ...]


@router.get("/feeds/{area}.atom", dependencies=[public("what screens of a place show everybody, feeds may too")])
async def as_atom(request: Request, area: str, lang: str = "zh") -> Response:
    return await _answer(request, area, lang, atom, "application/atom+xml; charset=utf-8")


@router.get("/feeds/{area}.rss", dependencies=[public("what screens of a place show everybody, feeds may too")])
async def as_rss(request: Request, area: str, lang: str = "zh") -> Response:
    return await _answer(request, area, lang, rss, "application/rss+xml; charset=utf-8")


def of_place(read: Read, area: str, lang: str) -> Feed:
    if not (len(area) == 12 and area.isascii() and area.isdigit()):
        raise NotFound(_("There is no such area"))
    place = directory.area(read, area)
    shown = active.notices_of(read, area)
    items = tuple(message_of(each, active.areas_of(read, each.id), lang) for each in shown)
    name = place.en if lang == "en" else place.zh
    title = f"{name} notices" if lang == "en" else f"{name}通知"
    return Feed(area, title, lang, _changed(read, place.path), items)


def atom(feed: Feed, base: str) -> bytes:
    top = Element(f"{{{ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": _tongue(feed.lang)})
    here = f"{base}/feeds/{feed.area}.atom{_asked(feed.lang)}"
    _atom(top, "id", f"urn:linli:notices:{feed.area}")
    _atom(top, "title", feed.title)
    _atom(top, "updated", _rfc3339(feed.changed))
    SubElement(top, f"{{{ATOM}}}link", rel="self", type="application/atom+xml", href=here)
    SubElement(top, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=f"{base}/notices")
    for each in feed.items:
        entry = SubElement(top, f"{{{ATOM}}}entry")
        _atom(entry, "id", f"urn:linli:notice:{each.notice_id}")
        _atom(entry, "title", one_line(each.title))
        _atom(entry, "updated", _rfc3339(each.sent_at))
        SubElement(entry, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=f"{base}{each.url}")
        SubElement(entry, f"{{{ATOM}}}category", term=each.priority)
        _atom(SubElement(entry, f"{{{ATOM}}}author"), "name", one_line(each.issuer) or feed.title)
        _atom(entry, "content", clean(each.text)).set("type", "text")
    return _written(top)


def rss(feed: Feed, base: str) -> bytes:
    top = Element("rss", version="2.0")
    channel = SubElement(top, "channel")
    _text(channel, "title", feed.title)
    _text(channel, "link", f"{base}/notices")
    _text(channel, "description", feed.title)
    _text(channel, "language", _tongue(feed.lang))
    _text(channel, "lastBuildDate", format_datetime(feed.changed.astimezone(UTC)))
    here = f"{base}/feeds/{feed.area}.rss{_asked(feed.lang)}"
    SubElement(channel, f"{{{ATOM}}}link", rel="self", type="application/rss+xml", href=here)
    for each in feed.items:
        item = SubElement(channel, "item")
        _text(item, "title", one_line(each.title))
        _text(item, "link", f"{base}{each.url}")
        _text(item, "description", clean(each.text))
        _text(item, "category", each.priority)
        guid = f"urn:linli:notice:{each.notice_id}:{each.revision}"  # a correction is news to a reader
        _text(item, "guid", guid).set("isPermaLink", "false")
        _text(item, "pubDate", format_datetime(each.sent_at.astimezone(UTC)))
    return _written(top)


async def _answer(request: Request, area: str, lang: str, draw: Callable[[Feed, str], bytes], kind: str) -> Response:
    hub = services(request)
    tongue = "en" if lang == "en" else "zh"
    feed = await hub.store.read(lambda read: of_place(read, area, tongue))
    body = draw(feed, hub.config.get("public_url", ""))
    return cached(request, body, kind)


def cached(request: Request, body: bytes, kind: str) -> Response:
    """Whole the first time, 304 as long as nothing changed."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={FRESH_S}"}
    asked = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def _changed(read: Read, path: str) -> datetime:
    """When something here last came or went; read from the notices, so that an unchanged feed is the same bytes."""
    moved = read.session.execute(
        select(func.max(col(Notice.released_at)), func.max(col(Notice.ended_at)))
        .join(NoticeArea, col(NoticeArea.notice) == col(Notice.id))
        .where(col(NoticeArea.area).in_(path.split("/")), col(Notice.everybody))
    ).one()
    return max((each for each in moved if each is not None), default=_LONG_AGO)


def _atom(top: Element, name: str, said: str) -> Element:
    return _text(top, f"{{{ATOM}}}{name}", said)


def _text(top: Element, name: str, said: str) -> Element:
    made = SubElement(top, name)
    made.text = _NOT_XML.sub("", said)
    return made


def _written(top: Element) -> bytes:
    made: bytes = tostring(top, encoding="utf-8", xml_declaration=True)
    return made


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _tongue(lang: str) -> str:
    return "en" if lang == "en" else "zh-CN"


def _asked(lang: str) -> str:
    return "?lang=en" if lang == "en" else ""
