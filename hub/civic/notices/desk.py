"""What the desk does with a notice, from draft to withdrawal; and what time does: begin, expire, archive.

Every verb takes a transaction. A release opens the reach ledger, begins the ladder, marks the boards and redraws the
screens of every community below, all in that one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import bindparam, delete, or_, select, update
from sqlmodel import col

from channels.text import one_line
from hub import approval, audience, directory, fresh, outbox, reach
from hub.access import Subject
from hub.audience import Audience, Count
from hub.civic.notices import active, allclear, board, corrections, ladder, rules, wording
from hub.civic.notices.models import Notice, NoticeArea, NoticeRelease
from hub.civic.notices.wording import Words
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed, Refused, StillMissing
from hub.events import NoticeEnded, NoticeReleased
from hub.i18n import _

PAGE_NOTICES = 10  # of one transaction: at midnight those of a whole city run out together, and each is 10 ms
TOPICS = ("notices.home", "notices.page", "notices.tv", "notices.overlay", "notices.cover", "notices.kiosk")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a release would do: whom it would reach, and which signatures it needs."""

    count: Count
    needed: tuple[str, ...] = field(default=())


def draft(tx: Tx, by: Subject, words: Words) -> Notice:
    """Keep a first text. Nobody sees it but the desk."""
    areas = wording.places(tx, by, words.audience)
    ready = wording.checked(tx, words, areas)
    made = Notice(
        id=tx.new_id(), place=areas[0].code, rank=rules.ORDER[ready.priority], state="draft", drafted_by=by.id,
        drafted_at=tx.now(), audience=str(ready.audience), everybody=ready.audience.everybody, **wording.columns(ready),
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    _place(tx, made.id, areas)
    _touch_desks(tx, made)
    return made


def revise(tx: Tx, by: Subject, ident: str, words: Words) -> Notice:
    """Change a draft; all signatures are void. A released notice is corrected by `correct`."""
    notice = _mine(tx, by, ident, "notices.draft")
    if notice.state != "draft":
        raise Conflict(_("Only a draft can be changed; correct a released notice or withdraw it"))
    if notice.warning:
        raise Conflict(_("These are the issuer's words; a relayed warning is released as it stands or not at all"))
    if notice.corrects:
        corrections.as_grave(active.notice(tx, notice.corrects), words.priority)
    _rewrite(tx, by, notice, words)
    approval.void(tx, _subject(notice))
    return notice


def correct(tx: Tx, by: Subject, ident: str, words: Words) -> Notice:
    """Replace the words of a released notice (更正) as its next revision, released again in the same step.

    Where two people sign, what comes back is a draft: the notice stands as it is until both have signed its new words.
    """
    notice = _mine(tx, by, ident, "notices.draft")
    if notice.state != "released":
        raise Conflict(_("Only a released notice can be corrected"))
    if notice.warning:
        raise Conflict(_("These are the issuer's words; a relayed warning is released as it stands or not at all"))
    if len(rules.NEEDED[notice.priority]) > 1 or len(rules.NEEDED.get(words.priority, ())) > 1:
        corrections.as_grave(notice, words.priority)
        corrections.alone(tx, notice)
        made = draft(tx, by, words)
        made.corrects, made.revision, made.attachments = notice.id, notice.revision + 1, notice.attachments
        tx.session.add(made)
        tx.session.flush()
        return made
    notice = _mine(tx, by, ident, "notices.release")
    before = _communities(tx, notice)
    notice.revision += 1
    _rewrite(tx, by, notice, words)
    outbox.cancel(tx, notice.id, notice.revision - 1, "corrected", recall=False)
    _show(tx, before)
    return release(tx, by, ident)


def preview(read: Read, words: Words) -> Preview:
    return Preview(audience.counted(read, words.audience), rules.NEEDED.get(words.priority, ()))


def approve(tx: Tx, by: Subject, ident: str) -> list[approval.Signature]:
    """Add one signature to a draft. Returns all that stand."""
    notice = _mine(tx, by, ident, "notices.read")
    if notice.state != "draft":
        raise Conflict(_("This notice is not waiting for a signature"))
    _present(tx, by, notice)
    signatures = _sign(tx, by, notice)
    _touch_desks(tx, notice)
    return signatures


def release(tx: Tx, by: Subject, ident: str) -> Notice:
    """Publish, or say what is missing. Releasing is the releaser's own signature, if they have not given it yet."""
    notice = _mine(tx, by, ident, "notices.read")
    fresh = notice.state == "released" and tx.session.get(NoticeRelease, (notice.id, notice.revision)) is None
    if notice.state != "draft" and not fresh:
        raise Conflict(_("This notice is not a draft any more"))
    if notice.expires <= tx.now():
        raise Conflict(_("Its end has passed; change it first"))
    _present(tx, by, notice)
    standing = approval.signatures(tx, _subject(notice))
    signed = {each.person for each in standing} | {each.staff for each in standing}
    if rules.missing(notice.priority, {each.part for each in standing}) and not {by.person, by.id} & signed:
        standing = _sign(tx, by, notice)
    elif not _may_sign(tx, by, notice):
        raise NotAllowed(_("Your role does not cover this here"))
    lacking = rules.missing(notice.priority, {each.part for each in standing})
    if lacking:
        said = _("; ").join(_(each) for each in rules.lacking(notice.priority, {each.part for each in standing}))
        raise StillMissing(_("Still missing: {parts}").format(parts=said))
    _seal(tx, notice, standing, by)
    if notice.corrects:
        before = _communities(tx, active.notice(tx, notice.corrects))
        _touch_desks(tx, notice)
        notice = corrections.put_in_place(tx, notice)
        outbox.cancel(tx, notice.id, notice.revision - 1, "corrected", recall=False)
        _show(tx, before)
    if notice.not_before is not None and notice.not_before > tx.now():
        notice.state = "scheduled"
        _touch_desks(tx, notice)
    else:
        _begin(tx, notice)
    tx.session.add(notice)
    tx.session.flush()
    return notice


def retract(tx: Tx, by: Subject, ident: str, reason: str) -> Notice:
    """Withdraw at once: one person, one action, with a reason. What covered the screens leaves its all-clear there."""
    notice = _mine(tx, by, ident, "notices.read")
    paths = active.paths_of(tx, ident)
    if not any(all(by.may(each, path) for path in paths) for each in ("notices.release", "notices.emergency")):
        raise NotAllowed(_("Your role does not cover this here"))
    said = one_line(reason)[:200]
    if not said:
        raise Refused(_("Say why the notice is withdrawn"))
    if notice.state not in rules.LIVE:
        raise Conflict(_("Only a released or scheduled notice can be withdrawn"))
    if notice.state == "released" and notice.priority in rules.COVERING:
        return lift(tx, by.id, notice, said)
    _end(tx, notice, "retracted", said)
    return notice


def unschedule(tx: Tx, by: Subject, ident: str) -> Notice:
    """Cancel what has not begun: nobody has seen it, so the reason stands ready."""
    if _mine(tx, by, ident, "notices.read").state != "scheduled":
        raise Conflict(_("This notice has begun or ended already"))
    return retract(tx, by, ident, rules.UNSCHEDULED)


def supersede(tx: Tx, notice: Notice, reason: str) -> None:
    """End what another notice has taken the place of: its readers hear the new one, not that the old one is gone."""
    _end(tx, notice, "retracted", reason, told="superseded")


def lift(tx: Tx, by: str, notice: Notice, reason: str) -> Notice:
    """End a warning and put its all-clear there instead, in words that stood ready.

    Five seconds is the promise, a thousand screens wait and readings want the same writer: whom the all-clear reaches
    beyond the screens is counted and told by its ladder's job.
    """
    said = allclear.words(notice.priority, reason, title=notice.title, title_en=notice.title_en, issuer=notice.issuer)
    areas = active.areas_of(tx, notice.id)
    clear = Notice(
        id=tx.new_id(), kind=allclear.KIND, priority=allclear.PRIORITY, title=said.title, text=said.text,
        title_en=said.title_en, text_en=said.text_en, issuer=notice.issuer, contact=notice.contact, place=notice.place,
        audience=notice.audience, everybody=notice.everybody, rank=rules.ORDER[allclear.PRIORITY], drafted_by=by,
        drafted_at=tx.now(), released_by=by, released_at=tx.now(), expires=tx.now() + allclear.VALID,
        cover_until=tx.now() + allclear.COVERS if notice.priority in rules.COVERING else None, clears=notice.id,
        state="released",
    )  # fmt: skip
    here = _communities(tx, notice)
    people = reach.audience_of(tx, notice.id)
    _finish(tx, notice, "retracted", reason, told="lifted")
    tx.session.add(clear)
    tx.session.add_all([NoticeArea(area=area.code, notice=clear.id, path=area.path) for area in areas])
    _write_release(tx, clear, by)
    reach.open_first(tx, clear.id, [area.path for area in areas], people)
    tx.session.flush()
    to = Audience.read(clear.audience)
    told = tx.emit(NoticeReleased, notice=clear.id, revision=1, priority=clear.priority, areas=to.areas)
    ladder.await_begin(tx, clear, told.id)
    _show(tx, here)
    _touch_desks(tx, notice, here)
    _touch_desks(tx, clear, here)
    return notice


def discard(tx: Tx, by: Subject, ident: str) -> None:
    """Throw a draft away."""
    notice = _mine(tx, by, ident, "notices.draft")
    if notice.state != "draft":
        raise Conflict(_("Only a draft can be thrown away"))
    drop(tx, notice)


def drop(tx: Tx, notice: Notice) -> None:
    """Take a draft away with its signatures."""
    approval.void(tx, _subject(notice))
    _touch_desks(tx, notice)
    tx.session.execute(delete(NoticeArea).where(col(NoticeArea.notice) == notice.id))
    tx.session.delete(notice)


def keep_time(tx: Tx) -> int:
    """Begin what was scheduled, end what ran out, file away what ended long ago. Returns how many moved."""
    now = tx.now()
    moving = select(Notice).where(
        or_(
            (col(Notice.state) == "scheduled") & (col(Notice.not_before) <= now),
            (col(Notice.state) == "released") & (col(Notice.expires) <= now),
        )
    )
    page = (
        moving.order_by(col(Notice.rank).desc(), col(Notice.id)).limit(PAGE_NOTICES).with_for_update(skip_locked=True)
    )
    rows = tx.session.execute(page.execution_options(populate_existing=True))
    moved = rows.scalars().all()
    for notice in moved:
        if notice.expires <= now:
            _end(tx, notice, "expired", "")
        else:
            _begin(tx, notice)
    for notice in tx.session.execute(select(Notice).where(col(Notice.cover_until) <= now)).scalars().all():
        notice.cover_until = None
        tx.session.add(notice)
        tx.session.flush()
        _show(tx, _communities(tx, notice))
    old = now - timedelta(days=rules.ARCHIVED_AFTER_DAYS)
    ended = select(col(Notice.id)).where(col(Notice.state).in_(("retracted", "expired")), col(Notice.ended_at) < old)
    tx.session.execute(
        update(Notice).where(col(Notice.id).in_(ended.limit(100 * PAGE_NOTICES))).values(state="archived")
    )
    return len(moved)


def is_time(read: Read) -> bool:
    """A look without a lock: is there anything for `keep_time`?"""
    now = read.now()
    given = {"now": now, "old": now - timedelta(days=rules.ARCHIVED_AFTER_DAYS)}
    return read.session.execute(_DUE, given).first() is not None


# Looked at twice a second for ever: making it anew took longer than asking it.
_DUE = (
    select(col(Notice.id))
    .where(
        or_(
            (col(Notice.state) == "scheduled") & (col(Notice.not_before) <= bindparam("now")),
            (col(Notice.state) == "released") & (col(Notice.expires) <= bindparam("now")),
            col(Notice.cover_until) <= bindparam("now"),
            col(Notice.state).in_(("retracted", "expired")) & (col(Notice.ended_at) < bindparam("old")),
        )
    )
    .limit(1)
)


def signatures(read: Read, notice: Notice) -> list[approval.Signature]:
    return approval.signatures(read, _subject(notice))


def _present(read: Read, by: Subject, notice: Notice) -> None:
    """What takes two people asks each of them for the password once more."""
    if len(rules.NEEDED[notice.priority]) > 1:
        fresh.require(by, read.now(), emergency=notice.priority == "emergency")


def _sign(tx: Tx, by: Subject, notice: Notice) -> list[approval.Signature]:
    standing = approval.signatures(tx, _subject(notice))
    held = _may_sign(tx, by, notice)
    part = rules.free_part(notice.priority, {each.part for each in standing}, held)
    if part is None and rules.missing(notice.priority, {each.part for each in standing}):
        raise NotAllowed(_("Your role cannot give a signature that this notice still needs"))
    if part is None:
        raise Conflict(_("All signatures are there; it can be released"))
    return approval.sign(tx, _subject(notice), part, wording.content(notice), by)


def _may_sign(read: Read, by: Subject, notice: Notice) -> set[str]:
    """Which of the signing permissions this person holds in all of the notice's areas, and those it is taken from."""
    paths = active.paths_of(read, notice.id)
    if notice.corrects:
        paths += active.paths_of(read, notice.corrects)
    return {each for each in rules.MISSING if all(by.may(each, path) for path in paths)}


def _seal(tx: Tx, notice: Notice, standing: Sequence[approval.Signature], by: Subject) -> None:
    digest = approval.content_hash(wording.content(notice))
    if any(each.content_hash != digest for each in standing):
        raise Conflict(_("The content changed after the first signature; all signatures are void, start again"))
    notice.released_by, notice.released_at = by.id, tx.now()
    _write_release(tx, notice, " ".join(each.staff for each in standing))


def _write_release(tx: Tx, notice: Notice, signed_by: str) -> None:
    """Keep what goes out word for word, with who answers for it."""
    body = wording.content(notice)
    notice.content_hash = approval.content_hash(body)
    tx.session.add(
        NoticeRelease(
            notice=notice.corrects or notice.id, revision=notice.revision,
            content=json.dumps(body, ensure_ascii=False, sort_keys=True), content_hash=notice.content_hash,
            signed_by=signed_by, at=tx.now(),
        )
    )  # fmt: skip


def _begin(tx: Tx, notice: Notice) -> None:
    notice.state = "released"
    tx.session.add(notice)
    tx.session.flush()
    to, here = Audience.read(notice.audience), _communities(tx, notice)
    areas = active.areas_of(tx, notice.id)
    people = audience.size(tx, to, notice.released_at)
    reach.open_notice(tx, notice.id, notice.revision, [area.path for area in areas], people)
    told = tx.emit(NoticeReleased, notice=notice.id, revision=notice.revision, priority=notice.priority, areas=to.areas)
    ladder.begin(tx, notice, told.id)
    _show(tx, here)
    _touch_desks(tx, notice, here)


def _end(tx: Tx, notice: Notice, how: str, reason: str, *, told: str = "") -> None:
    was_shown, here = notice.state == "released", _communities(tx, notice)
    _finish(tx, notice, how, reason, told=told)
    if was_shown:
        _show(tx, here)
    _touch_desks(tx, notice, here)


def _finish(tx: Tx, notice: Notice, how: str, reason: str, *, told: str) -> None:
    notice.state, notice.ended_at, notice.reason, notice.cover_until = how, tx.now(), reason, None
    tx.session.add(notice)
    tx.session.flush()
    reach.close_notice(tx, notice.id)
    tx.emit(
        NoticeEnded, notice=notice.id, revision=notice.revision, how=told or how,
        areas=Audience.read(notice.audience).areas,
    )  # fmt: skip


def _show(tx: Tx, communities: Sequence[str]) -> None:
    for code in communities:
        for topic in TOPICS:
            tx.touch(topic, code)
    board.mark(tx, communities)


def _touch_desks(tx: Tx, notice: Notice, here: Sequence[str] | None = None) -> None:
    for code in _communities(tx, notice) if here is None else here:
        tx.touch("notices.desk", code)
    tx.touch("notices.reach", notice.id)


def _communities(read: Read, notice: Notice) -> list[str]:
    return [area.code for area in directory.below(read, Audience.read(notice.audience).areas)]


def _mine(tx: Tx, by: Subject, ident: str, permission: str) -> Notice:
    return active.visible_to(tx, by, ident, permission)


def _place(tx: Tx, ident: str, areas: Sequence[directory.Area]) -> None:
    tx.session.execute(delete(NoticeArea).where(col(NoticeArea.notice) == ident))
    tx.session.add_all([NoticeArea(area=area.code, notice=ident, path=area.path) for area in areas])
    tx.session.flush()


def _rewrite(tx: Tx, by: Subject, notice: Notice, words: Words) -> None:
    areas = wording.places(tx, by, words.audience)
    ready = wording.checked(tx, words, areas)
    for name, value in wording.columns(ready).items():
        setattr(notice, name, value)
    notice.place, notice.rank = areas[0].code, rules.ORDER[ready.priority]
    notice.audience, notice.everybody = str(ready.audience), ready.audience.everybody
    tx.session.add(notice)
    _touch_desks(tx, notice)
    _place(tx, notice.id, areas)
    _touch_desks(tx, notice)


def _subject(notice: Notice) -> str:
    return rules.signed_as(notice)
