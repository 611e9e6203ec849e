"""CAP out: our emergencies, drills and relayed warnings as alerts, and the Atom feed that other systems read (`/cap`).

An alert's identity is the place it holds in, the notice and its revision; its end is a Cancel that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, SubElement, tostring

from sqlalchemy import or_, select
from sqlmodel import col

from hub.civic.notices import cap_write, rules
from hub.civic.notices.active import areas_of
from hub.civic.notices.cap import Alert, Area, Identity, Info
from hub.civic.notices.models import Notice
from hub.db import Read

KEPT = timedelta(days=7)  # a reader that was away for a week-end still learns what ended meanwhile
_ATOM = "http://www.w3.org/2005/Atom"
_SEVERITY = {"emergency": "Extreme", "drill": "Minor", "urgent": "Moderate", "important": "Minor", "routine": "Minor"}
_KIND_OF = {"emergency": "Immediate", "drill": "Immediate"}


def alerts(read: Read) -> list[Alert]:
    """What was released in the last days and covers screens or relays a warning, with its end, the newest first."""
    since = read.now() - KEPT
    rows = read.session.execute(
        select(Notice)
        .where(
            col(Notice.state).in_(("released", "retracted", "expired")),
            col(Notice.released_at) > since,
            col(Notice.everybody),
            or_(col(Notice.priority).in_(rules.COVERING), col(Notice.warning) != ""),
        )
        .order_by(col(Notice.released_at).desc(), col(Notice.id))
    ).scalars()
    return [each for notice in rows for each in _of(read, notice)]


def feed(said: Sequence[Alert], base: str, now: datetime) -> bytes:
    """The alerts as an Atom feed (RFC 4287), each whole inside its entry."""
    top = Element(f"{{{_ATOM}}}feed")
    _text(top, "id", f"{base}/cap/feed.atom")
    _text(top, "title", "Linli CAP alerts")
    _text(top, "updated", _rfc3339(max((each.identity.sent for each in said), default=now)))
    SubElement(SubElement(top, f"{{{_ATOM}}}author"), f"{{{_ATOM}}}name").text = "Linli"
    SubElement(top, f"{{{_ATOM}}}link", rel="self", href=f"{base}/cap/feed.atom")
    for each in said:
        entry = SubElement(top, f"{{{_ATOM}}}entry")
        _text(entry, "id", f"urn:linli:{each.identity.sender}:{each.identity.identifier}")
        _text(entry, "title", each.infos[0].headline if each.infos else f"Cancel {each.references[0].identifier}")
        _text(entry, "updated", _rfc3339(each.identity.sent))
        content = SubElement(entry, f"{{{_ATOM}}}content", type="application/cap+xml")
        content.append(cap_write.element(each))
    made: bytes = tostring(top, encoding="utf-8", xml_declaration=True)
    return made


def _of(read: Read, notice: Notice) -> list[Alert]:
    """The alert of a notice and, where it was withdrawn, the Cancel before it: the newest first."""
    sender = f"linli.{notice.place}"
    sent = _whole(notice.released_at or notice.drafted_at)
    first = Alert(
        identity=Identity(sender, f"{notice.id}.{notice.revision}", sent), version="1.2",
        status="Exercise" if notice.priority == "drill" else "Actual", kind="Alert", scope="Public",
        source=notice.issuer, restriction="", addresses=(), codes=(), note="", references=(), incidents=(),
        infos=tuple(_infos(read, notice, sent)),
    )  # fmt: skip
    if notice.state != "retracted" or notice.ended_at is None:
        return [first]
    end = Identity(sender, f"{notice.id}.{notice.revision}.end", max(sent, _whole(notice.ended_at)))
    cancel = Alert(
        identity=end, version="1.2", status=first.status, kind="Cancel", scope="Public", source=notice.issuer,
        restriction="", addresses=(), codes=(), note=notice.reason, references=(first.identity,), incidents=(),
        infos=(),
    )  # fmt: skip
    return [cancel, first]


def _infos(read: Read, notice: Notice, sent: datetime) -> list[Info]:
    areas = areas_of(read, notice.id)
    spoken = [("zh-CN", notice.title, notice.text)]
    if notice.title_en and notice.text_en:
        spoken.append(("en-US", notice.title_en, notice.text_en))
    return [
        Info(
            language=lang, category=("Safety",), event=title, urgency=_KIND_OF.get(notice.priority, "Expected"),
            severity=_SEVERITY[notice.priority], certainty="Observed", effective=sent, onset=None,
            expires=_whole(notice.expires), sender_name=notice.issuer, headline=title, description=text,
            instruction="", web="", contact=notice.contact, response=(), codes=(), parameters=(),
            areas=tuple(Area(each.zh, (("CN-DIVISION", each.code),)) for each in areas),
        )
        for lang, title, text in spoken
    ]  # fmt: skip


def _whole(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _text(above: Element, name: str, text: str) -> None:
    SubElement(above, f"{{{_ATOM}}}{name}").text = text
