"""您家有1条新消息: each personal message counts once for the home's televisions, until somebody presses OK on it."""

from __future__ import annotations

from sqlmodel import col, select

from hub import box
from hub.civic.boxes.models import News
from hub.db import Read, Tx
from hub.directory import Resident
from hub.events import PersonalMessage

COUNT_MAX = 99


def heard(tx: Tx, event: PersonalMessage) -> None:
    """What it says stays on the phone; homes without a bound box cost two small reads and nothing more."""
    home = tx.session.execute(select(col(Resident.household)).where(col(Resident.id) == event.resident)).scalar()
    boxes = box.of_household(tx, home) if home else []
    if not home or not boxes:
        return
    row = tx.session.get(News, home) or News(household=home)
    row.count = min(row.count + 1, COUNT_MAX)
    tx.session.add(row)
    _show(tx, home)


def opened(tx: Tx, household: str) -> None:
    """Somebody at home has read that there is something."""
    row = tx.session.get(News, household)
    if row is not None and row.count:
        row.count = 0
        tx.session.add(row)
        _show(tx, household)


def count(read: Read, household: str) -> int:
    row = read.session.get(News, household, populate_existing=True)
    return row.count if row is not None else 0


def _show(tx: Tx, household: str) -> None:
    for each in box.of_household(tx, household):
        tx.touch("boxes.home", each.terminal)
