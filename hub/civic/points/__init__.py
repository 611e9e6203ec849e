"""Points: a ledger of postings that cannot lie, and the catalogue that says what an act is worth."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.points import api, cards, pages, seed, sheets
from hub.events import ActivityPublished, SheetApproved, SheetSubmitted
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "points.read": ("staff", "director", "grid_worker", "supervisor", "points_office"),
}


def router() -> APIRouter:
    return joined(pages.router, api.router)


MODULE = Module(
    name="points",
    title=N_("Points"),
    router=router,
    listeners=(
        (ActivityPublished, sheets.on_published),
        (SheetSubmitted, sheets.on_submitted),
        (SheetApproved, sheets.on_approved),
    ),
    permissions=PERMISSIONS,
    topics=cards.TOPICS,
    cards=cards.CARDS,
    nav=(Nav("resident", "/me/points", N_("Points"), icon="points", order=50),),
    seed=seed.seed,
    seed_order=30,
)
