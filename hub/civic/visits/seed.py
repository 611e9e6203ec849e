"""Every grid has its walker, and the first community a morning's round: elders who live alone (看望独居老人)."""

from __future__ import annotations

from typing import Any

from hub import directory
from hub.access import Grant, Permissions, Subject
from hub.civic.visits import book
from hub.civic.visits.models import Round
from hub.db import Tx

A_ROUND = 3  # elders a day and worker (S-7 of the domain study)


def seed(tx: Tx, world: Any) -> None:
    for community in world.plan.communities:
        for member in community.staff:
            if member.role == "grid_worker" and member.grid is not None:
                tx.session.add(Round(area=community.code, grid=member.grid, staff=member.id))
    tx.session.flush()
    first = world.plan.communities[0]
    office = next((each for each in first.staff if each.role == "staff"), None)
    if office is None:
        return
    held = Permissions([{"visits.desk": ("staff",)}])
    grants = (Grant("staff", directory.area(tx, first.code).path),)
    by = Subject(office.id, "staff", grants=grants, person=office.person, permissions=held)
    grid_of = {building.id: building.grid for building in first.buildings}
    sent: dict[int, int] = {}
    for home in first.households:
        grid = grid_of[home.building]
        if {"alone", "aged80"} <= set(home.tags) and sent.get(grid, 0) < A_ROUND:
            sent[grid] = sent.get(grid, 0) + 1
            book.by_hand(tx, by, home.id, "看望独居老人，问问身体和取暖情况")
