"""Sweeping: the deliveries of a message that may not leave any more are closed in pages.

Ending a notice is a mark on its fan-outs (outbox.end), so that it takes as long for a city as for a street; from that
commit on nothing of them is given to a worker, and every count shows them closed. Here the rows follow, and whoever
may have got what is taken back is told so. Each page is one transaction with the place it came to, so a kill at any
moment changes nothing.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlmodel import col

from hub import bell
from hub.db import Read, Tx
from hub.outbox import MAY_HAVE_ARRIVED, TO_RECALL, Fanout, Outbox, insert_new, recall_row, swept_states
from hub.services import Services

PAGE_ROWS = 500  # with a correction for each: 30 ms of CPU, while readings want the same writer
POLL_S = 2.0  # the bell wakes at once; this finds what another process ended, or a kill left
_LEFT = select(col(Fanout.id)).where(col(Fanout.sweeping)).limit(1)


async def keep_sweeping(services: Services) -> None:
    rings = bell.of(services.store.bus)
    while True:
        heard = rings.heard(bell.SWEEP)
        if not (await services.store.read(is_left) and await services.store.write(sweep)):
            await rings.wait(bell.SWEEP, heard, services.clock, POLL_S)


def is_left(read: Read) -> bool:
    """A look without a lock."""
    return read.session.execute(_LEFT).first() is not None


def sweep(tx: Tx, limit: int = PAGE_ROWS) -> bool:
    """Close one page of the fan-out that matters most. Says whether there was anything to do."""
    row = tx.session.execute(
        select(Fanout)
        .where(col(Fanout.sweeping))
        .order_by(col(Fanout.recalls).desc(), col(Fanout.rank).desc(), col(Fanout.id))
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        return False
    page = [col(Outbox.notice) == row.notice, col(Outbox.resident) > row.swept_to]
    upto = tx.session.execute(
        select(col(Outbox.resident)).where(*page).order_by(col(Outbox.resident)).offset(limit - 1).limit(1)
    ).scalar_one_or_none()
    if upto is not None:
        page.append(col(Outbox.resident) <= upto)
    page += [col(Outbox.fanout) == row.id, col(Outbox.purpose) == "send"]
    if row.recalls:
        gone = tx.session.execute(select(*TO_RECALL).where(*page, MAY_HAVE_ARRIVED)).all()
        if gone:
            insert_new(tx, [recall_row(tx, each) for each in gone])
    ended = {"state": row.ends_as, "why": row.ended, "moved_at": tx.now()}
    closed = update(Outbox).where(*page, col(Outbox.state).in_(swept_states(row))).values(ended)
    tx.session.execute(closed, execution_options={"synchronize_session": False})
    row.swept_to, row.sweeping = upto or row.swept_to, upto is not None
    tx.session.add(row)
    if not row.sweeping:
        tx.touch("notices.reach", row.notice)
    return True
