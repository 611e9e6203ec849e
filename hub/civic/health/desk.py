"""The attendant's and the doctor's list: which hut needs someone. A value only after opening, and that is on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub import directory, readings, registry, sightings
from hub.access import Subject, needs
from hub.civic.health import alerts, emergency, figures
from hub.civic.health.models import HealthAlert, KioskSession
from hub.db import Read, Tx
from hub.errors import NotAllowed
from hub.i18n import N_, _, pick
from hub.page import actor, page, page_live, see_other, services

PERMISSION, DOCTOR = "health.calls", "readings.doctor"
Caller = Annotated[Subject, needs(PERMISSION)]
WHAT: Mapping[str, tuple[str, str]] = {
    "call": (N_("Help wanted"), "tag-warn"),
    "first": (N_("A value that needs care"), "tag-warn"),
    "confirmed": (N_("Urgent, confirmed"), "tag-bad"),
}


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    what: str
    tag: str
    hut: str
    place: str
    raised: datetime
    due: date | None
    told_doctor: bool
    openable: bool
    lasting: bool  # the visit: the attendant may open it beside the resident
    holds: bool  # a value: in danger to life it may be opened without a yes
    taken: bool
    by: str  # who is on the way


def may_watch(subject: Subject, key: str) -> bool:
    return subject.may(PERMISSION, key)


def waiting(read: Read, key: str) -> Mapping[str, Any]:
    """What waits below an area, named by its path."""
    area = read.session.get(directory.Area, key.rpartition("/")[2])
    return {
        "place": pick(area.zh, area.en) if area else "",
        "rows": [_row(read, alert) for alert in alerts.open_below(read, key)],
    }


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/huts")
    async def calls(request: Request, who: Caller) -> Response:
        paths = sorted(set(who.paths(PERMISSION)))
        topics = [f"{alerts.DESK_TOPIC}:{path}" for path in paths]
        known = await services(request).store.read(lambda read: len(emergency.to_know(read, who)))
        return await page_live(request, "health/desk.html", topics, paths=paths, known=known)

    @routes.get("/desk/huts/{alert}")
    async def opened(request: Request, alert: str, who: Caller) -> Response:
        shown = await services(request).store.write(lambda tx: _open(tx, who, alert), actor(request))
        return page(request, "health/alert.html", **shown)

    @routes.post("/desk/huts/{alert}/done")
    async def done(request: Request, alert: str, who: Caller) -> Response:
        await services(request).store.write(lambda tx: _finish(tx, who, alert), actor(request))
        return see_other("/desk/huts")

    return routes


def may_open(read: Read, who: Subject, alert: HealthAlert) -> bool:
    """The family doctor when the resident said so; the attendant while the visit lasts, standing beside it."""
    path = directory.area(read, alert.area).path
    if alert.told_doctor and who.may(DOCTOR, path):
        return True
    visit = read.session.get(KioskSession, alert.session) if alert.session else None
    if visit is not None and visit.closed is None and who.may("health.attend", path):
        return True
    return emergency.opens(read, who, alert)


def _open(tx: Tx, who: Subject, ident: str) -> dict[str, Any]:
    alert = alerts.get(tx, ident)
    if alert.reading is None or not may_open(tx, who, alert):
        raise NotAllowed(_("This may be opened beside the resident during the visit, or by the doctor they told"))
    alerts.look_at(tx, ident)
    hut = tx.session.get(registry.Hut, alert.hut) if alert.hut else None
    rows = [readings.get(tx, each) for each in (alert.reading, alert.confirmed_by) if each]
    sightings.leave(tx, who, rows, "emergency" if emergency.opens(tx, who, alert) else "hut")
    return {
        "id": alert.id,
        "hut": pick(hut.zh, hut.en) if hut else "",
        "raised": alert.raised,
        "rule": f"{alert.ruleset}@{alert.version}",
        "rows": [figures.shown(tx, row) for row in rows],
    }


def _finish(tx: Tx, who: Subject, ident: str) -> None:
    alert = alerts.get(tx, ident)
    who.require(PERMISSION, directory.area(tx, alert.area).path)
    alerts.finish(tx, ident)


def _name(read: Read, actor: str | None) -> str:
    kind, _colon, ident = (actor or "").partition(":")
    staff = read.session.get(directory.Staff, ident) if kind == "staff" else None
    return staff.name if staff is not None else ""


def _row(read: Read, alert: HealthAlert) -> Row:
    hut = read.session.get(registry.Hut, alert.hut) if alert.hut else None
    visit = read.session.get(KioskSession, alert.session) if alert.session else None
    lasting = visit is not None and visit.closed is None
    what, tag = WHAT[alert.level]
    return Row(
        id=alert.id,
        what=_(what),
        tag=tag,
        hut=pick(hut.zh, hut.en) if hut else "",
        place=pick(hut.place_zh, hut.place_en) if hut else "",
        raised=alert.raised,
        due=alert.due,
        told_doctor=bool(alert.told_doctor),
        openable=alert.reading is not None and (lasting or bool(alert.told_doctor)),
        lasting=lasting and alert.reading is not None,
        holds=alert.reading is not None,
        taken=alert.taken_by is not None,
        by=_name(read, alert.taken_by),
    )
