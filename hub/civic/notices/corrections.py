"""A correction that two people sign (更正): a draft of its own until both have, then the next revision of its notice.

Until then the notice stands as it was released. The signatures are given over the words of that next revision, under
its own number, so that they stand for it when it is put in place; nobody signs twice for one thing.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlmodel import col

from hub.civic.notices import active, rules
from hub.civic.notices.models import Notice, NoticeArea
from hub.db import Read, Tx
from hub.errors import Conflict, Refused
from hub.i18n import _

_WORDS = (
    "kind", "priority", "title", "text", "title_en", "text_en", "issuer", "contact", "place", "audience", "everybody",
    "rank", "not_before", "expires", "template", "fields", "attachments", "ladder", "released_by", "released_at",
    "content_hash",
)  # fmt: skip


def open_for(read: Read, notice: str) -> Notice | None:
    """The correction of this notice that waits for signatures, if there is one."""
    mine = (col(Notice.corrects) == notice, col(Notice.state) == "draft")
    return read.session.execute(select(Notice).where(*mine).limit(1)).scalars().first()


def alone(read: Read, notice: Notice) -> None:
    if open_for(read, notice.id) is not None:
        raise Conflict(_("A correction of this notice waits for its signatures already; change that one"))


def as_grave(notice: Notice, priority: str) -> None:
    """What two people signed is not made one person's by correcting its priority."""
    if len(rules.NEEDED.get(priority, ())) < len(rules.NEEDED[notice.priority]):
        raise Refused(_("A correction is signed by as many people as the notice: its priority needs as many"))


def put_in_place(tx: Tx, made: Notice) -> Notice:
    """The signed words become the notice's own; the draft is gone, its signatures stand under the new revision."""
    notice = active.notice(tx, made.corrects)
    if notice.state != "released" or notice.revision + 1 != made.revision:
        raise Conflict(_("The notice has changed or ended since; throw this correction away"))
    for name in _WORDS:
        setattr(notice, name, getattr(made, name))
    notice.revision = made.revision
    tx.session.execute(delete(NoticeArea).where(col(NoticeArea.notice) == notice.id))
    tx.session.execute(update(NoticeArea).where(col(NoticeArea.notice) == made.id).values(notice=notice.id))
    tx.session.add(notice)
    tx.session.delete(made)
    tx.session.flush()
    return notice
