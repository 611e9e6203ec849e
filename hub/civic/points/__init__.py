"""Points: a ledger of postings that cannot lie, and the catalogue that says what an act is worth."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.points import (
    account_pages,
    api,
    away_pages,
    budget_pages,
    cards,
    certificate_pages,
    claim_api,
    claim_pages,
    counter_pages,
    desk_pages,
    docket_cards,
    duty_pages,
    jobs,
    kiosk_pages,
    mall_pages,
    money_cards,
    office_pages,
    own_pages,
    pages,
    publicity,
    seed,
    sheets,
    slides,
    team_pages,
    teams,
    trace,
    tv_home,
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
    "points.counter": ("staff", "director"),
    "points.money": ("points_office", "director", "supervisor"),  # three of them sign a budget
    "points.roster": ("director", "points_office"),
    "points.catalogue": ("points_office", "director"),
    "points.export": ("points_office", "supervisor"),
}


def router() -> APIRouter:
    return joined(
        pages.router,
        own_pages.router,
        team_pages.router,
        claim_pages.router,
        desk_pages.router,
        duty_pages.router,
        api.router,
        claim_api.router,
        office_pages.router,
        account_pages.router,
        certificate_pages.router,
        mall_pages.router,
        mall_pages.api,
        away_pages.router,
        counter_pages.router,
        budget_pages.router,
        budget_pages.api,
        kiosk_pages.router,
    )


MODULE = Module(
    name="points",
    title=N_("Points"),
    router=router,
    listeners=(
        (ActivityPublished, sheets.on_published),
        (SheetSubmitted, sheets.on_submitted),
        (SheetApproved, sheets.on_approved),
        (PointsPosted, publicity.on_posted),
        (PointsPosted, teams.on_posted),
    ),
    jobs=jobs.JOBS,
    permissions=PERMISSIONS,
    topics=(
        *cards.TOPICS,
        *teams.TOPICS,
        *tv_home.TOPICS,
        *docket_cards.TOPICS,
        *money_cards.TOPICS,
        *kiosk_pages.TOPICS,
    ),
    cards=(*cards.CARDS, *tv_home.CARDS, *docket_cards.CARDS, *money_cards.CARDS),
    nav=(
        Nav("resident", "/me/points", N_("Points"), icon="points", order=50),
        Nav("staff", "/desk/points", N_("Points desk"), "points.read", icon="points", order=31),
        Nav("staff", "/desk/points/office", N_("Points office"), "points.office", icon="chart", order=62),
        Nav("staff", "/desk/points/supervision", N_("Supervision of points"), "points.supervise", icon="eye", order=63),
        Nav("staff", "/desk/counter", N_("Counter"), "points.counter", icon="card", order=32),
        Nav("staff", "/desk/budget", N_("Points budget"), "points.office", icon="points", order=64),
        Nav("staff", "/desk/catalogue", N_("Points catalogue"), "points.catalogue", icon="points", order=65),
        Nav("staff", "/desk/points/duty", N_("Duty hours"), "points.roster", icon="clock", order=67),
        Nav("staff", "/desk/proof", N_("Proof of the ledger"), "points.export", icon="shield", order=66),
    ),
    uploads=("/me/points/claims", "/desk/points/claims", "/desk/points/import"),
    slides=slides.of_area,
    trace=trace.trace,
    seed=seed.seed,
    seed_order=30,
)
