"""Danger to life: values opened without a yes, for a reason that stays, with a colleague informed (PIPL 13(4)).

The one who acts writes why and whom they inform; both may open the values of that alert for a day. The colleague says
that they know; the person reads it among who has looked, and is told that there is something new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlmodel import col

from hub import directory, registry
from hub.access import Subject, needs, subject
from hub.civic.health import alerts, consents
from hub.civic.health.events import EmergencyActed, EmergencyNoted
from hub.civic.health.models import Emergency, HealthAlert
from hub.db import Read, Tx
from hub.directory import Area, Staff, StaffRole
from hub.errors import NotAllowed, NotFound, Refused
from hub.events import PersonalMessage
from hub.i18n import _, pick, speaking
from hub.page import actor, page, see_other, services

PERMISSION, REVIEW = "health.emergency", "health.review"
LASTS = timedelta(hours=24)  # domain.md 5: break-glass has a day
WHY_CHARS = (10, 300)
LIST_MAX = 50
Helper = Annotated[Subject, needs(PERMISSION)]


@dataclass(frozen=True, slots=True)
class Shown:
    id: str
    at: datetime
    by: str
    second: str
    place: str
    reason: str
    noted_at: datetime | None
    alert: str


def act(tx: Tx, who: Subject, ident: str, reason: str, second: str) -> Emergency:
    alert = alerts.get(tx, ident)
    path = directory.area(tx, alert.area).path
    who.require(PERMISSION, path)
    if alert.reading is None:
        raise Refused(_("There is no value behind this call"))
    text = " ".join(reason.split())
    if not WHY_CHARS[0] <= len(text) <= WHY_CHARS[1]:
        raise Refused(_("Say in {least} to {most} characters why a life is in danger").format(least=10, most=300))
    if second not in {each.id for each in colleagues(tx, alert.area, who)}:
        raise Refused(_("Inform a colleague of this place, not yourself"))
    made = Emergency(
        id=tx.new_id(),
        alert=alert.id,
        person=alerts.owner(tx, alert),
        area=alert.area,
        by=tx.actor.id,
        reason=text,
        second=second,
        at=tx.now(),
        until=tx.now() + LASTS,
    )
    tx.session.add(made)
    tx.session.flush()
    tx.emit(EmergencyActed, emergency=made.id, alert=alert.id, person=made.person or "", second=second)
    if made.person is not None:
        tx.touch(consents.TOPIC, made.person)
        with speaking("zh"):  # the residents' language
            title = _("There is something new in your household")
            said = _("Please open My health on your phone, or ask in the community.")
        tx.emit(PersonalMessage, resident=made.person, kind="health", title=title, text=said)
    alerts.redraw(tx, alert)
    return made


def opens(read: Read, who: Subject, alert: HealthAlert) -> bool:
    """Whether this one acted, or was informed, within the day."""
    rule = select(col(Emergency.id)).where(
        col(Emergency.alert) == alert.id,
        col(Emergency.until) > read.now(),
        or_(col(Emergency.by) == f"staff:{who.id}", col(Emergency.second) == who.id),
    )
    return who.kind == "staff" and read.session.execute(rule.limit(1)).first() is not None


def note(tx: Tx, who: Subject, ident: str) -> None:
    """【我已知道】 of the colleague who was informed."""
    row = tx.session.get(Emergency, ident)
    if row is None or row.second != who.id:
        raise NotFound(_("There is no such alert"))
    if row.noted_at is None:
        row.noted_at = tx.now()
        tx.session.add(row)
        tx.session.flush()
        tx.emit(EmergencyNoted, emergency=row.id)
        if row.person is not None:
            tx.touch(consents.TOPIC, row.person)


def colleagues(read: Read, code: str, but: Subject) -> list[Staff]:
    """Who works in this place, without the one who acts, under whatever account."""
    codes = directory.area(read, code).path.split("/")
    rule = (
        select(Staff)
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(
            col(StaffRole.area).in_(codes),
            col(StaffRole.role).in_(("attendant", "staff", "director", "doctor")),
            col(Staff.id) != but.id,
        )
        .order_by(col(Staff.id))
    )
    found = {row.id: row for row in read.session.execute(rule).scalars()}
    return [row for row in found.values() if row.person != (but.person or but.id)]


def of_person(read: Read, person: str) -> list[Shown]:
    rule = select(Emergency).where(col(Emergency.person) == person)
    return _shown(read, list(read.session.execute(rule.order_by(col(Emergency.at).desc()).limit(LIST_MAX)).scalars()))


def to_know(read: Read, who: Subject) -> list[Shown]:
    """What this colleague was informed of and has not said yes to."""
    rule = select(Emergency).where(col(Emergency.second) == who.id, col(Emergency.noted_at).is_(None))
    return _shown(read, list(read.session.execute(rule.order_by(col(Emergency.at))).scalars()))


def _shown(read: Read, rows: Sequence[Emergency]) -> list[Shown]:
    found = []
    for row in rows:
        alert = read.session.get(HealthAlert, row.alert)
        hut = read.session.get(registry.Hut, alert.hut) if alert is not None and alert.hut else None
        by = read.session.get(Staff, row.by.partition(":")[2])
        second = read.session.get(Staff, row.second)
        found.append(
            Shown(
                row.id,
                row.at,
                by.name if by else row.by,
                second.name if second else row.second,
                pick(hut.zh, hut.en) if hut else "",
                row.reason,
                row.noted_at,
                row.alert,
            )
        )
    return found


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/emergencies", dependencies=[needs("health.calls")])
    async def known(request: Request) -> Response:
        found = await services(request).store.read(lambda read: _known(read, subject(request)))
        return page(request, "health/emergencies.html", active="/desk/huts", **found)

    @routes.post("/desk/emergencies/{ident}/noted", dependencies=[needs("health.calls")])
    async def noted(request: Request, ident: str) -> Response:
        who = subject(request)
        await services(request).store.write(lambda tx: note(tx, who, ident), actor(request))
        return see_other("/desk/emergencies")

    @routes.get("/desk/huts/{alert}/emergency")
    async def ask(request: Request, alert: str, who: Helper) -> Response:
        found = await services(request).store.read(lambda read: _asked(read, who, alert))
        return page(request, "health/emergency.html", active="/desk/huts", **found)

    @routes.post("/desk/huts/{alert}/emergency")
    async def sure(
        request: Request,
        alert: str,
        who: Helper,
        reason: Annotated[str, Form(max_length=1000)],
        second: Annotated[str, Form(max_length=64)],
    ) -> Response:
        await services(request).store.write(lambda tx: act(tx, who, alert, reason, second), actor(request))
        return see_other(f"/desk/huts/{alert}")

    return routes


def _asked(read: Read, who: Subject, ident: str) -> dict[str, Any]:
    alert = alerts.get(read, ident)
    if not who.may(PERMISSION, directory.area(read, alert.area).path):
        raise NotAllowed(_("Your role does not cover this here"))
    hut = read.session.get(registry.Hut, alert.hut) if alert.hut else None
    return {
        "id": alert.id,
        "hut": pick(hut.zh, hut.en) if hut else "",
        "raised": alert.raised,
        "colleagues": [(each.id, each.name) for each in colleagues(read, alert.area, who)],
    }


def _known(read: Read, who: Subject) -> dict[str, Any]:
    """One's own to note; for whoever reviews, all of the place in the last weeks."""
    every: list[Shown] = []
    if who.may(REVIEW):
        paths = who.paths(REVIEW)
        rule = select(Emergency).join(Area, col(Area.code) == col(Emergency.area))
        if "" not in paths:
            rule = rule.where(
                or_(*[(col(Area.path) == path) | col(Area.path).startswith(path + "/") for path in paths])
            )
        every = _shown(
            read, list(read.session.execute(rule.order_by(col(Emergency.at).desc()).limit(LIST_MAX)).scalars())
        )
    return {"mine": to_know(read, who), "every": every, "reviews": who.may(REVIEW)}
