"""The operator's board: what needs a person now, which hut is dead and which only quiet, and where every frame went."""

from __future__ import annotations

from fastapi import APIRouter

from hub import caller, why
from hub.civic.operations import (
    acts,
    alarm_pages,
    alarms,
    api,
    cards,
    changes,
    jobs,
    matters,
    pages,
    queue_pages,
    reach_pages,
    rule_sets,
    rulebook,
    seed,
    stream,
    summons,
    telling,
    why_pages,
)
from hub.events import ReadingsStored
from hub.i18n import N_
from hub.module import Job, Module, Nav, joined


def router() -> APIRouter:
    return joined(
        pages.router(), queue_pages.router(), alarm_pages.router(), why_pages.router(),
        reach_pages.router(), api.router,
    )  # fmt: skip


MODULE = Module(
    name="operations",
    title=N_("Operations"),
    router=router,
    listeners=(
        *changes.LISTENERS,
        *matters.LISTENERS,
        *summons.LISTENERS,
        (ReadingsStored, stream.hear),
        (acts.WorkActed, alarms.on_acted),
        (acts.WorkUndone, alarms.on_undone),
    ),
    jobs=(
        Job("board", jobs.keep, role="web"),
        Job("tidy", jobs.tidy, role="web"),
        Job("alarms", alarms.watch, role="ingest"),
        Job("tell", telling.tell, role="ingest"),
        Job("hear", telling.hear, role="web"),
        Job("call", caller.keep),
    ),
    permissions={
        "operate.view": ("operator", "staff", "director", "attendant", "supervisor", "admin"),
        "operate.act": ("operator",),
        reach_pages.OWN: rulebook.CALLED,
        rule_sets.PROPOSE: ("operator",),
        rule_sets.SIGN: ("operator", "director", "supervisor", "admin"),
        why.ALL: ("supervisor",),
    },
    topics=cards.TOPICS,
    seed=seed.seed,
    nav=(
        Nav("staff", "/operate", N_("Operations"), "operate.view", icon="device", order=60),
        Nav("staff", "/operate/reach-me", N_("How I am called"), reach_pages.OWN, icon="phone", order=95),
    ),
)
