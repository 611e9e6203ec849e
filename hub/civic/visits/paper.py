"""A round on paper for those who carry no phone, and as a file. Whoever takes it out of the house is on record."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from hub.civic.visits.doors import Door
from hub.civic.visits.events import VisitsListed
from hub.db import Tx
from hub.i18n import _

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would calculate what begins so


def taken(tx: Tx, area: str, worker: str, form: str, found: Sequence[Door]) -> None:
    tx.emit(VisitsListed, area=area, worker=worker, form=form, doors=len(found))


def table(found: Sequence[Door]) -> str:
    heads = (
        _("Order"), _("Grid"), _("Building"), _("Flat"), _("At risk"), _("What for"), _("Due"), _("Tries"),
        _("Whose round"),
    )  # fmt: skip
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(heads)
    for number, door in enumerate(found, start=1):
        row = (
            number, door.grid, door.building, door.flat, _("; ").join(door.risk_words), door.title or door.words,
            door.due.astimezone(ZoneInfo(door.tz)).strftime("%Y-%m-%d %H:%M"), door.tries, door.worker,
        )  # fmt: skip
        lines.writerow([_plain(cell) for cell in row])
    # The mark at the front tells the spreadsheets of our offices that this is UTF-8.
    return "\ufeff" + out.getvalue()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
