"""Warnings of other offices: taken in as they are, relayed by two people or put aside, over when their issuer says so.

What arrives changes nothing on a screen by itself, with one exception: a cancellation by the same issuer ends the relay
at once, because ending needs no second person (promises.md Q13).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sqlalchemy import select
from sqlmodel import col

from channels.text import one_line
from hub import directory
from hub.access import Subject, covers
from hub.civic.notices import cap_chain, cap_read, cap_words, desk, rules
from hub.civic.notices.cap import Alert, BadAlert, Identity
from hub.civic.notices.models import CapMessage, Notice
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import NoticeReleased, WarningTaken
from hub.i18n import N_, _

TOPIC = "notices.warnings"
KNOWN_MAX = 500  # of one sender: years of a weather office
LISTED_MAX = 50
LIFTED, REPLACED = N_("The warning is lifted"), N_("A newer warning has taken its place")
_ATOM = "{http://www.w3.org/2005/Atom}"


@dataclass(frozen=True, slots=True)
class Known:
    """A message with what it says."""

    row: CapMessage
    alert: Alert


def take_all(tx: Tx, by: Subject, body: bytes) -> list[CapMessage]:
    """One alert, or an Atom feed with alerts inside; all of it or nothing. Raises BadAlert."""
    root = cap_read.root(body)
    if root.tag != f"{_ATOM}feed":
        return [take(tx, by, cap_read.read(root), body)]
    inside = _alerts_of(root)
    return [take(tx, by, cap_read.read(each), cap_read.text_of(each)) for each in inside]


def take(tx: Tx, by: Subject, alert: Alert, body: bytes) -> CapMessage:
    """Keep a message. Sent again it is the same one; the same identity with other words is refused."""
    mark = _mark(alert.identity)
    before: CapMessage | None = tx.session.execute(
        select(CapMessage).where(col(CapMessage.identity) == mark)
    ).scalar_one_or_none()
    if before is not None:
        if cap_read.parse(before.body) != alert:
            raise Conflict(_("A warning with this sender, identifier and time but other words is here already"))
        return before
    places = places_of(tx, alert)
    paths = [area.path for area in places] or list(by.paths("notices.warn"))
    if not all(by.may("notices.warn", path) for path in paths):
        raise NotAllowed(_("This sender may not warn for all of these areas"))
    row = CapMessage(
        id=tx.new_id(), identity=mark, sender=alert.identity.sender[:200], paths=json.dumps(paths), body=body,
        received_at=tx.now(), received_by=by.id,
    )  # fmt: skip
    tx.session.add(row)
    tx.session.flush()
    tx.emit(WarningTaken, warning=row.id, says=alert.kind)
    _settle(tx, alert.identity.sender)
    _touch(tx, paths)
    return row


def relay(tx: Tx, by: Subject, ident: str, areas: Sequence[str]) -> Notice:
    """Make the notice of a warning and give it the first signature; it goes out when the second person signs."""
    known = visible(tx, by, ident)
    if known.row.notice or known.row.put_aside_by or known.alert not in _standing(tx, known.alert.identity.sender):
        raise Conflict(_("This warning does not wait to be relayed any more"))
    chosen = [directory.area(tx, code) for code in areas]
    if not chosen:
        raise Refused(_("Choose at least one area"))
    about = json.loads(known.row.paths)
    if not all(any(covers(path, area.path) for path in about) for area in chosen):
        raise Refused(_("The warning is not about all of these areas"))
    made = desk.draft(tx, by, cap_words.words(known.alert, [area.code for area in chosen], chosen[0].tz, tx.now()))
    made.warning, known.row.notice = known.row.id, made.id
    tx.session.add_all([made, known.row])
    tx.session.flush()
    if len(rules.NEEDED[made.priority]) == 1:
        desk.release(tx, by, made.id)
    else:
        desk.approve(tx, by, made.id)
    _touch(tx, about)
    return made


def put_aside(tx: Tx, by: Subject, ident: str, why: str) -> None:
    """Decide not to relay, with a reason that stays."""
    known = visible(tx, by, ident)
    said = one_line(why)[:200]
    if not said:
        raise Refused(_("Say why the warning is not relayed"))
    if known.row.notice or known.row.put_aside_by:
        raise Conflict(_("This warning does not wait to be relayed any more"))
    known.row.put_aside_by, known.row.put_aside_why = by.id, said
    tx.session.add(known.row)
    _touch(tx, json.loads(known.row.paths))


def waiting(read: Read, paths: Sequence[str]) -> list[Known]:
    """What somebody must decide about in these places, the newest first."""
    found = [
        each
        for each in listed(read, paths)
        if not each.row.notice and not each.row.put_aside_by and each.alert.scope == "Public"
    ]
    return [each for each in found if each.alert in _standing(read, each.alert.identity.sender)]


def listed(read: Read, paths: Sequence[str]) -> list[Known]:
    """What came for these places, or for parts or the whole of what they lie in, the newest first."""
    rows = read.session.execute(
        select(CapMessage).order_by(col(CapMessage.received_at).desc(), col(CapMessage.id).desc()).limit(KNOWN_MAX)
    ).scalars()
    mine = [row for row in rows if _touches(row, paths)]
    return [_known(row) for row in mine[:LISTED_MAX]]


def visible(read: Read, by: Subject, ident: str) -> Known:
    """A warning that touches a place in which this person may relay; for anybody else it does not exist."""
    row = read.session.get(CapMessage, ident)
    if row is None or not _touches(row, by.paths("notices.relay")):
        raise NotFound(_("There is no such warning"))
    return _known(row)


def places_of(read: Read, alert: Alert) -> list[Area]:
    """The areas here that the warning names by division code: 6, 9 or 12 digits."""
    said = {value for info in alert.infos for area in info.areas for _name, value in area.geocodes}
    codes = {code.ljust(12, "0") for code in said if code.isascii() and code.isdigit() and len(code) in (6, 9, 12)}
    rows = read.session.execute(select(Area).where(col(Area.code).in_(codes)).order_by(col(Area.path))).scalars()
    return list(rows)


def on_released(tx: Tx, event: NoticeReleased) -> None:
    """The relay of an update takes the place of what it updates; two never stand side by side."""
    notice = tx.session.get(Notice, event.notice)
    row = tx.session.get(CapMessage, notice.warning) if notice is not None and notice.warning else None
    if notice is None or row is None:
        return
    mine = cap_read.parse(row.body).identity
    known = _of_sender(tx, row.sender)
    alerts = [each.alert for each in known]
    for each in known:
        older = _notice_of(tx, each.row)
        if older is None or older.id == notice.id or older.state not in rules.LIVE:
            continue
        if mine in [heir.identity for heir in cap_chain.heirs(alerts, each.alert.identity, tx.now())]:
            desk.supersede(tx, older, REPLACED)


def _touches(row: CapMessage, paths: Sequence[str]) -> bool:
    about = json.loads(row.paths)
    return any(covers(path, each) or covers(each, path) for path in paths for each in about)


def _settle(tx: Tx, sender: str) -> None:
    """After each message of a sender: what it took away goes; what an update waits to replace stays until then."""
    known = _of_sender(tx, sender)
    alerts, now = [each.alert for each in known], tx.now()
    gone = cap_chain.replaced(alerts)
    for each in known:
        notice = _notice_of(tx, each.row)
        if notice is None or (each.alert.status, each.alert.identity) not in gone:
            continue
        if notice.state == "draft":
            desk.drop(tx, notice)
        elif notice.state in rules.LIVE and not cap_chain.heirs(alerts, each.alert.identity, now):
            desk.lift(tx, each.row.received_by, notice, LIFTED)


def _standing(read: Read, sender: str) -> list[Alert]:
    return cap_chain.standing([each.alert for each in _of_sender(read, sender)], read.now())


def _of_sender(read: Read, sender: str) -> list[Known]:
    newest = (
        select(CapMessage).where(col(CapMessage.sender) == sender[:200]).order_by(col(CapMessage.received_at).desc())
    )
    return [_known(row) for row in read.session.execute(newest.limit(KNOWN_MAX)).scalars()]


def _known(row: CapMessage) -> Known:
    return Known(row, cap_read.parse(row.body))


def _notice_of(read: Read, row: CapMessage) -> Notice | None:
    return read.session.get(Notice, row.notice, populate_existing=True) if row.notice else None


def _alerts_of(feed: Element) -> list[Element]:
    found = [
        part
        for entry in feed.iter(f"{_ATOM}entry")
        for content in entry.iter(f"{_ATOM}content")
        for part in content
        if part.tag.endswith("}alert")
    ]
    if not found:
        raise BadAlert("empty-feed")
    return found


def _mark(identity: Identity) -> str:
    text = f"{identity.sender},{identity.identifier},{identity.sent.isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()


def _touch(tx: Tx, paths: Sequence[str]) -> None:
    """Redraw the desks above, at and below these places."""
    codes = {code for path in paths for code in path.split("/") if code}
    below = directory.below(tx, [path.rsplit("/", 1)[-1] for path in paths if path])
    for code in sorted(codes | {area.code for area in below}):
        tx.touch(TOPIC, code)
