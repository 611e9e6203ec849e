"""Notices: written at the desk, signed by those it takes, shown where they hold, and proved to have been read."""

from __future__ import annotations

from fastapi import APIRouter

from hub import courier, outbox
from hub.civic.notices import api, callback, cards, jobs, pages, seed
from hub.events import NoticeEnded, PersonalMessage
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "notices.read": ("staff", "director", "publisher", "supervisor", "grid_worker", "admin"),
    "notices.draft": ("staff", "director", "publisher"),
    "notices.release": ("staff", "director", "publisher"),
    "notices.emergency": ("publisher",),
    "notices.second": ("publisher", "director"),
}


def router() -> APIRouter:
    return joined(pages.router, api.router, callback.router)


MODULE = Module(
    name="notices",
    title=N_("Notices"),
    router=router,
    listeners=((NoticeEnded, outbox.on_notice_ended), (PersonalMessage, outbox.plan_personal)),
    jobs=(*jobs.JOBS, *courier.jobs()),
    permissions=PERMISSIONS,
    topics=cards.TOPICS,
    cards=cards.CARDS,
    nav=(
        Nav("staff", "/desk", N_("Notices"), "notices.read", icon="notice", order=10),
        Nav("resident", "/notices", N_("Notices"), icon="notice", order=20),
    ),
    seed=seed.seed,
    seed_order=90,  # last: once followers are bound, every personal message of another slice's seed would be sent
    csrf_exempt=("/wechat",),
)
