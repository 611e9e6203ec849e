"""Activities: what takes place in a community, and the attendance sheet by which taking part counts."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.activities import api, calendar, cards, door, jobs, pages, seed, slides, told
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "activities.read": ("staff", "director", "grid_worker", "supervisor", "points_office"),
    "activities.write": ("staff", "director", "grid_worker"),
    "activities.approve": ("staff", "director"),
}


def router() -> APIRouter:
    return joined(pages.router, door.router, api.router, calendar.router)


MODULE = Module(
    name="activities",
    title=N_("Activities"),
    router=router,
    jobs=jobs.JOBS,
    permissions=PERMISSIONS,
    topics=(*cards.TOPICS, *told.TOPICS),
    cards=(*cards.CARDS, *told.CARDS),
    nav=(Nav("staff", "/desk/activities", N_("Activities"), "activities.read", icon="activity", order=30),),
    slides=slides.of_area,
    seed=seed.seed,
    seed_order=40,
)
