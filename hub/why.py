"""为什么: from anything back to where it began, the frame of a device or a person's signature, and what followed.

The way is read from the audit chain: each event names its cause. A reading names its frame; what two people signed
names them. Each link is shown only to who may see what it tells of; for others a link stands there without a word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub.access import Subject
from hub.approval import Signature
from hub.audit import AuditRow
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _
from hub.outbox import Outbox
from hub.quarantine import QuarantineRow
from hub.readings import Reading, from_ms, visible_to
from hub.registry import Device, Gateway, Hut
from hub.why_words import PERMISSIONS, WORDS

BACK_MAX = 32  # steps from an event to its beginning: no way of ours is half as long
FOLLOWED_MAX = 100
SIGNED = ("notice", "sheet", "reversal", "rules", "claim", "transfer", "redemption")  # what approval.py signs

ALL = "why.all"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that happened, as the store knows it."""

    id: str
    kind: str  # frame | reading | signature | request, or the name of an event
    at: datetime | None
    cause: str | None = None
    about: str = ""
    actor: str = ""
    on_behalf_of: str | None = None
    detail: dict[str, Any] | None = None


Trace = Callable[[Read, str], "str | Node | None"]
"""A slice's answer to "whose event is this id of yours?": the id of an event, a reading or what an event is about; or
the link itself, where the slice keeps its own record (the ledger)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A node as one reader may see it. What is hidden keeps its place and tells nothing."""

    node: Node | None

    @property
    def word(self) -> str:
        return WORDS.get(self.node.kind, self.node.kind) if self.node else ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The way back (where it began first, what was asked for last) and what followed."""

    way: tuple[Link, ...]
    followed: tuple[Link, ...]


def chain(read: Read, ident: str, subject: Subject | None, traces: Sequence[Trace] = ()) -> Chain:
    """`subject` None: whoever holds the machine. What they may not see does not exist for them."""
    asked = find(read, ident, traces)
    if asked is None or not (subject is None or may_see(read, subject, asked)):
        raise NotFound(_("There is nothing here for you"))
    way = [asked]
    seen = {asked.id}
    while len(way) < BACK_MAX and (before := _before(read, way[0])) is not None and before.id not in seen:
        seen.add(before.id)
        way.insert(0, before)
    signed = [node for each in way for node in _signatures(read, each) if node.id not in seen]
    followed = [node for node in _after(read, asked) if node.id not in seen]

    def shown(node: Node) -> bool:
        return subject is None or may_see(read, subject, node)

    return Chain(
        tuple(Link(node if shown(node) else None) for node in [*signed, *way]),
        tuple(Link(node) for node in followed if shown(node)),
    )


def find(read: Read, ident: str, traces: Sequence[Trace] = ()) -> Node | None:
    """An event, a reading, a frame in quarantine, a delivery, or whatever an event is about."""
    for look in (_event, _reading, _set_aside, _delivery, _about):
        node = look(read, ident)
        if node is not None:
            return node
    for trace in traces:
        known = trace(read, ident)
        if isinstance(known, Node):
            return known
        if known is not None and known != ident:
            return find(read, known)
    return None


def may_see(read: Read, subject: Subject, node: Node) -> bool:
    """Deny by default: a reading's links by `visible_to`, an event by its slice's permission in its own area."""
    detail = node.detail or {}
    if node.kind in ("frame", "reading", "ReadingBound"):
        return _reading_seen(read, subject, node.about) or (not node.about and subject.may("operate.view"))
    if node.kind in ("signature", "request"):
        return subject.kind in ("staff", "token")
    if subject.kind == "resident":
        return _own(read, subject, node, detail)
    paths = _paths(read, detail)
    for permission in (ALL, PERMISSIONS.get(node.kind)):
        if permission and (subject.may(permission, "") or any(subject.may(permission, path) for path in paths)):
            return True
    return False


def _own(read: Read, subject: Subject, node: Node, detail: dict[str, Any]) -> bool:
    """What a resident sees: their own points and alerts, and that a notice of their community was released."""
    match node.kind:
        case "PointsPosted":
            return not {subject.id, subject.household}.isdisjoint(detail.get("owners", ()))
        case "AlertRaised":
            return _reading_seen(read, subject, str(detail.get("reading", "")))
        case "NoticeReleased" | "NoticeEnded":
            return subject.area in detail.get("areas", ())
    return False


def _reading_seen(read: Read, subject: Subject, reading: str) -> bool:
    rule, _values = visible_to(subject)
    found = select(col(Reading.id)).where(col(Reading.id) == reading, rule)
    return read.session.execute(found).first() is not None


def _paths(read: Read, detail: dict[str, Any]) -> list[str]:
    """The area paths an event tells of, from whatever it names."""
    codes = {str(code) for code in [detail.get("area"), *detail.get("areas", ())] if code}
    if detail.get("hut"):
        hut = read.session.get(Hut, str(detail["hut"]))
        codes |= {hut.area} if hut is not None else set()
    if detail.get("gateway"):
        line = read.session.get(Gateway, str(detail["gateway"]))
        codes |= {line.area} if line is not None else set()
    if detail.get("device") and not codes:
        device = read.session.get(Device, str(detail["device"]))
        gateway = read.session.get(Gateway, device.gateway) if device is not None else None
        codes |= {gateway.area} if gateway is not None else set()
    if detail.get("reading") and not codes:
        reading = read.session.get(Reading, str(detail["reading"]))
        codes |= {reading.area} if reading is not None else set()
    if detail.get("notice") and not codes:
        released = _about(read, str(detail["notice"]), ("NoticeReleased",))
        codes |= {str(code) for code in (released.detail or {}).get("areas", ())} if released else set()
    if not codes:
        return []
    return list(read.session.execute(select(col(Area.path)).where(col(Area.code).in_(sorted(codes)))).scalars())


def _before(read: Read, node: Node) -> Node | None:
    """What a node came from."""
    detail = node.detail or {}
    if node.kind == "reading":
        return Node(node.cause or "", "frame", born(node.cause or "") or node.at, about=node.id)
    if node.cause is None or node.kind in ("frame", "signature", "request"):
        return None
    known = _event(read, node.cause) or _reading(read, node.cause)
    if known is not None:
        return known
    named = _reading(
        read, str(detail.get("reading", ""))
    )  # a batch of readings is no event of the chain: the one it names
    if named is not None:
        return named
    kind = "frame" if node.kind == "FrameQuarantined" else "request"
    return Node(node.cause, kind, born(node.cause), about="" if kind == "frame" else node.cause)


def _after(read: Read, asked: Node) -> list[Node]:
    """All that events say they were caused by it, nearest first."""
    found: list[Node] = []
    due, seen = [asked.id], {asked.id}
    while due and len(found) < FOLLOWED_MAX:
        rule = select(AuditRow).where(col(AuditRow.cause).in_(due)).order_by(col(AuditRow.seq)).limit(FOLLOWED_MAX)
        fresh = [_node(row) for row in read.session.execute(rule).scalars() if row.id not in seen]
        found += fresh
        due = [node.id for node in fresh]
        seen |= set(due)
    return found[:FOLLOWED_MAX]


def _signatures(read: Read, node: Node) -> list[Node]:
    if not node.about or node.kind in ("frame", "reading"):
        return []
    names = [f"{word}:{node.about}" for word in SIGNED]
    revision = (node.detail or {}).get("revision")
    if revision is not None:
        names.append(f"notice:{node.about}:{revision}")
    if (node.detail or {}).get("version") is not None:
        names.append(f"rules:rules-{(node.detail or {})['version']}")  # the alert rules by which it was judged
    rows = read.session.execute(select(Signature).where(col(Signature.subject).in_(names)).order_by(col(Signature.at)))
    return [
        Node(f"{row.subject}/{row.part}", "signature", row.at, about=row.part, actor=f"staff:{row.staff}")
        for row in rows.scalars()
    ]


def _event(read: Read, ident: str) -> Node | None:
    row = read.session.execute(select(AuditRow).where(col(AuditRow.id) == ident)).scalar_one_or_none()
    return _node(row) if row is not None else None


def _about(read: Read, ident: str, kinds: Sequence[str] = ()) -> Node | None:
    """The newest event about it; those that began something before those that only followed."""
    rule = select(AuditRow).where(col(AuditRow.subject) == ident).order_by(col(AuditRow.seq).desc()).limit(50)
    rows = list(read.session.execute(rule).scalars())
    wanted = kinds or ("AlertRaised", "AlarmChanged", "NoticeReleased", "PointsPosted", "SheetApproved")
    first = next((row for row in rows if row.kind in wanted), None)
    chosen = first or (rows[0] if rows and not kinds else None)
    return _node(chosen) if chosen is not None else None


def _reading(read: Read, ident: str) -> Node | None:
    row = read.session.get(Reading, ident) if ident else None
    if row is None:
        return None
    detail = {"device": row.device, "gateway": row.gateway, "area": row.area, "quality": row.quality}
    return Node(row.id, "reading", from_ms(row.t_received_ms), row.cause, row.id, detail=detail)


def _set_aside(read: Read, ident: str) -> Node | None:
    row = read.session.get(QuarantineRow, ident)
    return _about(read, row.id, ("FrameQuarantined",)) if row is not None else None


def _delivery(read: Read, ident: str) -> Node | None:
    row = read.session.get(Outbox, ident)
    if row is None:
        return None
    return (_event(read, row.cause) if row.cause else None) or _about(read, row.notice)


def _node(row: AuditRow) -> Node:
    detail = json.loads(row.detail)
    return Node(row.id, row.kind, row.at, row.cause, row.subject, row.actor, row.on_behalf_of, detail)


def born(ident: str) -> datetime | None:
    """When an id was made: a UUID of version 7 carries it."""
    digits = ident.replace("-", "")
    if len(digits) != 32 or digits[12] != "7":
        return None
    try:
        return datetime.fromtimestamp(int(digits[:12], 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
