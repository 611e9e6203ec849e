"""Points: a ledger of postings that cannot lie, and the catalogue that says what an act is worth."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.points import (
    api,
    cards,
    claim_api,
    claim_pages,
    desk_pages,
    docket_cards,
    jobs,
    own_pages,
    pages,
    publicity,
    seed,
    sheets,
    slides,
)
from hub.events import ActivityPublished, PointsPosted, SheetApproved, SheetSubmitted
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "points.read": ("staff", "director", "grid_worker", "supervisor", "points_office"),
    "points.declare": ("grid_worker", "staff", "director"),
    "points.verify": ("grid_worker", "staff"),
    "points.approve": ("staff", "director"),
    "points.police": ("director",),  # 综治专干: the police post has no account of its own
    "points.third": ("supervisor",),
    "points.above": ("points_office",),
    "points.answer": ("director",),
    "points.office": ("points_office", "director", "supervisor"),
    "points.supervise": ("supervisor",),
}


def router() -> APIRouter:
    return joined(pages.router, own_pages.router, claim_pages.router, desk_pages.router, api.router, claim_api.router)


MODULE = Module(
    name="points",
    title=N_("Points"),
    router=router,
    listeners=(
        (ActivityPublished, sheets.on_published),
        (SheetSubmitted, sheets.on_submitted),
        (SheetApproved, sheets.on_approved),
        (PointsPosted, publicity.on_posted),
    ),
    jobs=jobs.JOBS,
    permissions=PERMISSIONS,
    topics=(*cards.TOPICS, *docket_cards.TOPICS),
    cards=(*cards.CARDS, *docket_cards.CARDS),
    nav=(
        Nav("resident", "/me/points", N_("Points"), icon="points", order=50),
        Nav("staff", "/desk/points", N_("Points desk"), "points.read", icon="points", order=31),
    ),
    uploads=("/me/points/claims", "/desk/points/claims", "/desk/points/import"),
    slides=slides.of_area,
    seed=seed.seed,
    seed_order=30,
)
