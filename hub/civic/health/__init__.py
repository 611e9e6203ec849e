"""Health huts: visits at the kiosk, plain words beside a number, one's own readings, and who looks at an urgent one."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.health import (
    alerts,
    api,
    bands,
    baseline,
    binding,
    consents,
    cover,
    desk,
    emergency,
    erasing,
    export,
    idle,
    keeping,
    kiosk,
    meals,
    pad,
    pages,
    pending,
    reading,
    rebinding,
    resident,
    seed,
    spared,
    stage,
    task_api,
    tasks,
    trace,
    triage,
    trust,
    witness,
)
from hub.civic.health.events import ConsentChanged, DoctorAnswered, KioskClosed, TaskChanged
from hub.events import AlertRaised, CallMoved, ReadingBound, ReadingRebound, ReadingsErased, ReadingsStored
from hub.i18n import N_
from hub.module import Card, Job, Module, Nav, Topic, joined


def router() -> APIRouter:
    return joined(
        *(
            part.router()
            for part in (
                *(pages, resident, export, trace, rebinding, meals, erasing, reading, trust),
                *(emergency, desk, pad, triage, cover, witness, api, task_api),
            )
        )
    )


MODULE = Module(
    name="health",
    title=N_("Health huts"),
    router=router,
    listeners=(
        (ReadingsStored, binding.bind_stored),
        (ReadingBound, bands.judge_bound),
        (ReadingBound, baseline.on_bound),
        (AlertRaised, tasks.on_raised),
        (DoctorAnswered, tasks.on_answered),
        (TaskChanged, cover.on_opened),
        (CallMoved, cover.on_moved),
        (ReadingRebound, tasks.on_rebound),
        (ReadingsErased, erasing.on_erased),
        (ConsentChanged, trust.on_consent),
        (KioskClosed, trust.on_closed),
    ),
    glimpses=(pending.glimpse,),
    visitor=kiosk.visitor,
    jobs=(
        Job("kiosk-idle", idle.watch, role="web"),
        Job("health-cover", cover.watch),
        Job("health-keeping", keeping.watch),
    ),
    permissions={
        "health.calls": ("attendant", "staff", "director", "doctor"),
        "health.attend": ("attendant",),
        "readings.doctor": ("doctor",),
        cover.PERMISSION: ("director",),
        emergency.PERMISSION: ("attendant", "doctor"),
        emergency.REVIEW: ("director", "supervisor"),
        witness.PERMISSION: ("attendant", "staff", "director"),
        rebinding.PERMISSION: ("attendant",),
        "readings.state": ("operator", "attendant"),
    },
    topics=(
        Topic(kiosk.TOPIC, "health/stage.html", stage.view, stage.may_watch),
        Topic(bands.HOME_TOPIC, "health/home.html", resident.home, resident.may_watch),
        Topic(bands.LIST_TOPIC, "health/readings.html", resident.every, resident.may_watch),
        Topic(alerts.DESK_TOPIC, "health/calls.html", desk.waiting, desk.may_watch),
        Topic(alerts.PAD_TOPIC, "health/calling.html", pad.view, pad.may_watch),
        Topic(tasks.TOPIC, "health/tasks.html", triage.listed, triage.may_watch),
        Topic(consents.TOPIC, "health/trust.html", trust.view, trust.may_watch),
    ),
    cards=(Card("home", bands.HOME_TOPIC, "resident", order=30, title=N_("Blood pressure")),),
    nav=(
        Nav("staff", "/desk/triage", N_("Triage list"), permission=triage.PERMISSION, icon="health", order=6),
        Nav("staff", "/desk/pad", N_("Attendant's pad"), permission=pad.PERMISSION, icon="call", order=38),
        Nav(
            "staff",
            "/desk/erasures",
            N_("Delete readings"),
            permission=witness.PERMISSION,
            icon="health",
            order=42,
        ),
        Nav("staff", "/desk/cover", N_("Who answers"), permission=cover.PERMISSION, icon="health", order=41),
        Nav("staff", "/desk/huts", N_("Health hut calls"), permission=desk.PERMISSION, icon="health", order=40),
        Nav("resident", "/me/health", N_("Health"), icon="health", order=60),
    ),
    meal=bands.meal_told,
    spares=spared.readings,
    seed=seed.seed,
    seed_order=20,
)
