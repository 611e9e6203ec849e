"""Whom a resident trusts with their readings: asked about an urgent one, agreed or taken back, and who has looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from hub import directory, sightings
from hub.access import Subject, signed_in
from hub.civic.health import alerts, baseline, consents, cover, emergency, tasks, witness
from hub.civic.health.consents import PURPOSES
from hub.civic.health.events import ConsentChanged, KioskClosed
from hub.civic.health.models import HealthTask, KioskSession
from hub.db import Read, Tx
from hub.events import PersonalMessage
from hub.i18n import N_, _, speaking
from hub.page import actor, see_other, services

TOPIC = consents.TOPIC
Owner = Annotated[Subject, signed_in("resident")]
PLACES: Mapping[str, str] = {
    "triage": N_("the doctor's list"),
    "trace": N_("your heart trace"),
    "hut": N_("beside you in the hut"),
    "api": N_("the programming interface"),
    "emergency": N_("in danger to life, without asking"),
    "fhir": N_("the FHIR interface"),
    "frame": N_("the frame inspector"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    purpose: str
    name: str
    words: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    at: datetime
    who: str
    where: str
    count: int


@dataclass(frozen=True, slots=True)
class Followed:
    opened: datetime
    due: date
    state: str
    overdue: bool
    waits: str  # for whom, while nobody has answered
    steps: tuple[tuple[str, datetime], ...]


def may_watch(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.id == key


def view(read: Read, key: str) -> Mapping[str, Any]:
    return {
        "asked": alerts.unanswered(read, key),
        "moved": baseline.of_person(read, key),
        "standing": [_standing(read, key, purpose) for purpose in PURPOSES],
        "looks": [_look(each) for each in sightings.of_person(read, key)],
        "emergencies": emergency.of_person(read, key),
        "erased": witness.done_for(read, key),
        "followed": [_followed(read, task) for task in tasks.of_person(read, key)],
        "tz": directory.area(read, directory.resident(read, key).area).tz,
    }


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.post("/me/health/alerts/{alert}")
    async def answer(request: Request, alert: str, yes: Annotated[bool, Form()], who: Owner) -> Response:
        await services(request).store.write(lambda tx: alerts.answer(tx, alert, who.id, yes), actor(request))
        return see_other("/me/health#trust")

    @routes.post("/me/health/consents/{purpose}")
    async def agree(request: Request, purpose: str, yes: Annotated[bool, Form()], who: Owner) -> Response:
        verb = consents.give if yes else consents.take_back
        await services(request).store.write(lambda tx: verb(tx, who.id, purpose), actor(request))
        return see_other("/me/health#trust")

    return routes


def on_consent(tx: Tx, event: ConsentChanged) -> None:
    """Listener: who no longer trusts the doctor is off the doctor's list in the same moment."""
    if event.purpose == consents.DOCTOR and not event.yes:
        tasks.withdraw(tx, event.person)


def on_closed(tx: Tx, event: KioskClosed) -> None:
    """Listener: whoever left without an answer is asked on the phone. The message says nothing about a body."""
    visit = tx.session.get(KioskSession, event.session)
    if visit is None or visit.person is None:
        return
    open_ones = [each for each in alerts.of_session(tx, visit.id) if each.level == "confirmed"]
    if not any(each.told_doctor is None for each in open_ones):
        return
    with speaking("zh"):  # the residents' language
        title = _("There is something new in your household")
        text = _("Please open My health on your phone, or ask in the community.")
    tx.emit(PersonalMessage, resident=visit.person, kind="health", title=title, text=text)


def _standing(read: Read, person: str, purpose: str) -> Standing:
    rule = select(directory.Consent).where(
        col(directory.Consent.resident) == person,
        col(directory.Consent.purpose) == purpose,
        col(directory.Consent.withdrawn_at).is_(None),
    )
    given = read.session.execute(rule.order_by(col(directory.Consent.at).desc())).scalars().first()
    known = PURPOSES[purpose]
    return Standing(purpose, _(known.name), _(known.words), given.at if given is not None else None)


def _look(seen: sightings.Sighting) -> Look:
    who = seen.who or _("a program: {name}").format(name=seen.program)
    return Look(seen.at, who, _(PLACES.get(seen.where, seen.where)), seen.count)


def _followed(read: Read, task: HealthTask) -> Followed:
    did = [step for step in tasks.steps(read, task.id) if step.undone_at is None]
    return Followed(
        task.opened,
        task.due,
        task.state,
        tasks.overdue(read, task),
        _(cover.RUNGS[task.rung]) if task.state == "open" and task.held_by is None else "",
        tuple((_(tasks.ACTIONS[step.what]), step.at) for step in did),
    )
