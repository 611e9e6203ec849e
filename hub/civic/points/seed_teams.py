"""The demo's organisations: what they did for the neighbourhood, and who acts for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hub.civic.points import award
from hub.civic.points.award import Award, Signed
from hub.civic.points.keepers import Keeper
from hub.db import Tx

FRONTAGE = "C11"  # a partner's day of service: thirty points
MONTHS, DONE_EVERY_DAYS = 3, 30


def seed(tx: Tx, world: Any, community: Any, signed: Signed) -> None:
    """One day of service a month each; the leader of each answers for it, the stage's volunteer for the first one."""
    for month in range(MONTHS, 0, -1):
        booked = (world.now - timedelta(days=month * DONE_EVERY_DAYS - 10)).replace(hour=8, minute=10, second=0)
        world.clock.set(booked)
        acts = [
            Award(
                "organisation", each.id, FRONTAGE, None, (booked - timedelta(days=2)).date(), f"seed:{each.id}:{month}"
            )
            for each in community.organisations
        ]
        award.credit(tx, acts, signed)
    people = {each.id for each in community.people}
    cast = world.plan.cast.volunteer
    for place, each in enumerate(community.organisations):
        resident = cast if place == 0 and cast in people else each.leader
        if resident is not None:
            tx.session.add(
                Keeper(
                    id=tx.new_id(), organisation=each.id, resident=resident, role="keeper", at=tx.now(),
                    by=signed.approver or "",
                )
            )  # fmt: skip
    tx.session.flush()
