"""Who walks which grid: a door of the grid falls to that person."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlmodel import col

from hub.civic.visits.models import Round
from hub.db import Read
from hub.directory import Building, Staff, StaffRole


def walkers(read: Read, area: str) -> list[Staff]:
    """The grid workers of a community, those who stand in the list first."""
    rows = read.session.execute(
        select(Staff)
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(col(StaffRole.role) == "grid_worker", col(StaffRole.area) == area, col(Staff.active))
        .order_by(col(Staff.id))
    )
    return list(rows.scalars())


def grids(read: Read, area: str) -> list[int]:
    rows = read.session.execute(
        select(col(Building.grid)).where(col(Building.area) == area).distinct().order_by(col(Building.grid))
    )
    return list(rows.scalars())


def of(read: Read, area: str) -> Mapping[int, str]:
    rows = read.session.execute(select(col(Round.grid), col(Round.staff)).where(col(Round.area) == area))
    return {grid: staff for grid, staff in rows}


def walker(read: Read, area: str, grid: int, household: str) -> str:
    """Whom a door of this grid falls to. Nobody calls at their own: then the desk decides."""
    row = read.session.get(Round, (area, grid))
    staff = read.session.get(Staff, row.staff) if row is not None else None
    return staff.id if staff is not None and staff.active and staff.household != household else ""


def unwalked(read: Read, area: str) -> list[int]:
    """Grids whose visits would fall to nobody."""
    given = of(read, area)
    return [grid for grid in grids(read, area) if grid not in given]
