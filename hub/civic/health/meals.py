"""When had somebody last eaten before a glucose? Asked at the kiosk, put right on the phone; every answer stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hub import readings
from hub.access import Subject, signed_in
from hub.civic.health import bands, kiosk
from hub.civic.health.events import MealSaid
from hub.civic.health.models import KioskSession, Meal
from hub.db import Tx
from hub.errors import NotFound, Refused
from hub.i18n import N_, _
from hub.page import actor, see_other, services
from hub.readings import Reading

KIND = "glucose"
# What the kiosk asks, and what passing it over means.
MEALS: Mapping[str, tuple[str, str]] = {
    "fasting": (N_("Fasting"), N_("nothing for eight hours")),
    "before": (N_("Before a meal"), N_("the last one is hours ago")),
    "after": (N_("Two hours after a meal"), N_("from its first bite")),
    "bedtime": (N_("At bedtime"), N_("before lying down")),
    "casual": (N_("At any hour"), ""),
}
SKIPPED, CASUAL = "skipped", "casual"
Owner = Annotated[Subject, signed_in("resident")]


def say(tx: Tx, row: Reading, meal: str, source: str) -> None:
    """One more row; the word is found anew when there is one already, and the word before stays on record."""
    if meal not in MEALS or row.kind != KIND:
        raise Refused(_("A glucose is measured fasting, before or after a meal, at bedtime or at any hour"))
    before = bands.meal_of(tx, row) or ""
    if before == meal:
        return
    tx.session.add(Meal(id=tx.new_id(), reading=row.id, meal=meal, source=source, by=tx.actor.id, at=tx.now()))
    tx.session.flush()
    tx.emit(MealSaid, reading=row.id, before=before, meal=meal, source=source)
    if row.bound_by != "none":
        bands.judge_again(tx, row, "meal")


def take_along(tx: Tx, session: KioskSession, reading: str) -> None:
    """What was said before measuring belongs to the glucose that came. Passing it over never outweighs the meter."""
    row = readings.get(tx, reading)
    if row.kind != KIND or not session.meal:
        return
    if session.meal != SKIPPED:
        say(tx, row, session.meal, "kiosk")
    elif bands.meal_of(tx, row) is None:
        say(tx, row, CASUAL, SKIPPED)


def answer(tx: Tx, hut: str, meal: str) -> None:
    """A tap on the kiosk's question; without a word it was passed over."""
    session = kiosk.open_at(tx, hut)
    if session is None or session.stage != "meal" or (meal and meal not in MEALS):
        return
    said = meal or SKIPPED
    if session.note != kiosk.AFTERWARDS or session.reading is None:
        kiosk.eaten(tx, session, said)
        return
    kiosk.back_to_result(tx, session, said)
    take_along(tx, session, session.reading)


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.post("/me/health/readings/{ident}/meal")
    async def put_right(
        request: Request, ident: str, meal: Annotated[str, Form(max_length=16)], who: Owner
    ) -> Response:
        await services(request).store.write(lambda tx: _put_right(tx, who, ident, meal), actor(request))
        return see_other(f"/me/health/readings/{ident}")

    return routes


def _put_right(tx: Tx, who: Subject, ident: str, meal: str) -> None:
    row = tx.session.get(Reading, ident)
    if row is None or row.person != who.id:
        raise NotFound(_("There is no such reading"))
    say(tx, row, meal, "phone")
