"""Folding: deliveries of ordinary notices become counters a day after nothing can happen to them any more.

A city's notices are more than a thousand million deliveries a year. Each page of rows leaves and is counted in one
transaction, so that the sums over states are the audience at every instant, and a kill changes nothing. While a notice
is in force its rows stay: a withdrawal must find whom to tell. Urgent and emergency rows stay for the duty report.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, delete, exists, or_, select, tuple_
from sqlmodel import col

from hub import quota
from hub.db import Read, Tx
from hub.digest import DigestItem
from hub.outbox import OPEN, SAID, Fanout, Outbox, OutboxFold
from hub.reach import ReachNotice
from hub.services import Services
from hub.upsert import insert_for

AFTER = timedelta(hours=24)  # receipts that come later than this are nobody's proof any more
ORDINARY_RANK_MAX = 2
PAGE_ROWS = 1_000  # one short transaction on the smallest machine
EVERY_S, BREATH_S = 3_600.0, 0.05  # between two pages the writer belongs to others
OVERVIEW_KEPT = timedelta(days=7)  # a look goes over what is older and still in force: few notices are
FANOUTS_MAX = 5_000  # of one look; the rest an hour later
_SWEPT = col(Fanout.sweeping).is_(False)  # or somebody whom a withdrawal has yet to tell could be a counter by then


async def keep_folding(services: Services) -> None:
    while True:
        await services.clock.sleep(EVERY_S)
        await fold_all(services)
        await services.store.write(quota.prune)
        while await services.store.write(forget_overviews, can_wait=True) == PAGE_ROWS:
            await services.clock.sleep(BREATH_S)


async def fold_all(services: Services) -> int:
    """Everything that is ripe now. Returns how many rows became counters."""
    folded = 0
    for ident in await services.store.read(ripe):
        while done := await services.store.write(partial(fold, ident=ident), can_wait=True):
            folded += done
            await services.clock.sleep(BREATH_S)
    return folded


def ripe(read: Read) -> list[str]:
    """Fan-outs of ordinary notices that are over."""
    now = read.now()
    rows = read.session.execute(
        select(col(Fanout.id))
        .outerjoin(ReachNotice, col(ReachNotice.notice) == col(Fanout.notice))
        .where(
            col(Fanout.folded).is_(False), col(Fanout.done), _SWEPT, col(Fanout.rank) <= ORDINARY_RANK_MAX, _over(now)
        )
        .order_by(col(Fanout.id))
        .limit(FANOUTS_MAX)
    )  # fmt: skip
    return list(rows.scalars())


def fold(tx: Tx, ident: str, limit: int = PAGE_ROWS) -> int:
    """Turn one page of a fan-out's final deliveries into counters, in this one transaction."""
    row = tx.session.execute(
        select(Fanout)
        .outerjoin(ReachNotice, col(ReachNotice.notice) == col(Fanout.notice))
        .where(col(Fanout.id) == ident, _SWEPT, _over(tx.now()))
        .with_for_update(of=Fanout, skip_locked=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None or row.folded:
        return 0
    mine = (col(Outbox.notice) == row.notice, col(Outbox.fanout) == row.id)
    final = (col(Outbox.state).not_in(OPEN), col(Outbox.moved_at) <= tx.now() - AFTER)
    page = tx.session.execute(
        select(col(Outbox.id), col(Outbox.purpose), SAID)
        .where(*mine, *final)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if page:
        _count(tx, row, Counter((purpose, state) for _id, purpose, state in page))
        tx.session.execute(delete(Outbox).where(col(Outbox.id).in_([ident for ident, *_rest in page])))
    if tx.session.execute(select(col(Outbox.id)).where(*mine).limit(1)).first() is None:
        _close(tx, row)
    return len(page)


def _over(now: datetime) -> ColumnElement[bool]:
    """Withdrawn, run out, or replaced by a later revision, a day ago or more; only then nothing can be taken back."""
    ended = or_(col(ReachNotice.open).is_(False), col(ReachNotice.revision) > col(Fanout.revision))
    return or_(ended, col(Fanout.expires) <= now - AFTER)


def forget_overviews(tx: Tx, limit: int = PAGE_ROWS) -> int:
    """What stood in whose daily overview, once nothing can come of it: its delivery is a counter, its notice is over.

    Before that a receipt still proves it, and a notice in force must not stand in the same overview twice.
    """
    place = (col(DigestItem.resident), col(DigestItem.notice))
    under_way = exists().where(col(Outbox.id) == col(DigestItem.outbox))
    in_force = exists().where(col(ReachNotice.notice) == col(DigestItem.notice), col(ReachNotice.open))
    ended = (
        col(DigestItem.state).in_(("sent", "dropped")),
        col(DigestItem.due) <= tx.now() - OVERVIEW_KEPT,
        ~under_way,
        ~in_force,
    )
    page = tx.session.execute(select(*place).where(*ended).limit(limit)).all()
    return tx.change(delete(DigestItem).where(tuple_(*place).in_(page))) if page else 0


def _count(tx: Tx, row: Fanout, counts: Counter[tuple[str, str]]) -> None:
    fresh = insert_for(tx)(OutboxFold)
    tx.session.execute(
        fresh.on_conflict_do_update(
            index_elements=["notice", "channel", "purpose", "state"],
            set_={"n": col(OutboxFold.n) + fresh.excluded.n},
        ),
        [
            {"notice": _shelf(row), "channel": row.channel, "purpose": purpose, "state": state, "n": n}
            for (purpose, state), n in sorted(counts.items())
        ],
    )


def _close(tx: Tx, row: Fanout) -> None:
    if _shelf(row):
        row.folded = True
        tx.session.add(row)
    else:
        tx.session.delete(row)  # a message to one resident: its counters stand with all the others of its kind
    tx.session.flush()


def _shelf(row: Fanout) -> str:
    """Whose counters: the notice's; messages to single residents share one shelf."""
    return row.notice if row.audience else ""
