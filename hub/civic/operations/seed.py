"""The demo's colleagues on duty have entered a telephone each, so that an alarm there calls somebody."""

from __future__ import annotations

from typing import Any

from hub import contacts
from hub.db import Tx

CALLED = ("operator", "director")  # the roles that the shipped rules call
FIRST_NUMBER = 10090000001  # no real number begins with 1009, and nobody in the demo has one


def seed(tx: Tx, world: Any) -> None:
    rooms = [world.plan.city_staff, *(community.staff for community in world.plan.communities)]
    members = [member for room in rooms for member in room if member.role in CALLED]
    for number, member in enumerate(members, start=FIRST_NUMBER):
        contacts.enter(tx, member.id, "sms", str(number))
