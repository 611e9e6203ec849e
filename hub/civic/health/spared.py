"""Whose frames must stay: what an open call or an open task of the doctor's list is about can still be asked for."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlmodel import col

from hub import bulk
from hub.civic.health.models import HealthAlert, HealthTask
from hub.db import Read


def readings(read: Read, idents: Collection[str]) -> set[str]:
    """Of these readings, those an open call or task points at, the confirming one included."""
    open_tasks = select(col(HealthTask.alert)).where(col(HealthTask.state) == "open")
    stands = or_(col(HealthAlert.state) == "open", col(HealthAlert.id).in_(open_tasks))
    found: set[str] = set()
    for page in bulk.pages(idents):
        about = or_(col(HealthAlert.reading).in_(page), col(HealthAlert.confirmed_by).in_(page))
        rule = select(col(HealthAlert.reading), col(HealthAlert.confirmed_by)).where(stands, about)
        found.update(each for pair in read.session.execute(rule) for each in pair if each is not None)
    return found
