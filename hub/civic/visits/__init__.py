"""Visits: the last rung of the ladder is a person at the door, and what was found there is kept as proof."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.visits import book, cards, jobs, office, pages, seed
from hub.events import HelpAnswered, HelpWanted, NoticeEnded, NoticeReleased, NoticeSeen, VisitWanted
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "visits.walk": ("grid_worker",),
    "visits.desk": ("staff", "director"),
}


def router() -> APIRouter:
    return joined(pages.router, pages.api, office.router)


MODULE = Module(
    name="visits",
    title=N_("Visits"),
    router=router,
    listeners=(
        (VisitWanted, book.on_wanted),
        (NoticeSeen, book.on_seen),
        (NoticeEnded, book.on_ended),
        (NoticeReleased, book.on_released),
        (HelpWanted, book.on_help),
        (HelpAnswered, book.on_answered),
    ),
    jobs=jobs.JOBS,
    permissions=PERMISSIONS,
    topics=cards.TOPICS,
    cards=cards.CARDS,
    nav=(
        Nav("staff", "/visits", N_("My round"), "visits.walk", icon="place", order=5),
        Nav("staff", "/desk/visits", N_("Visits"), "visits.desk", icon="place", order=14),
    ),
    seed=seed.seed,
    seed_order=60,
)
