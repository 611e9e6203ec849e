"""The operator's board: what needs a person now, which hut is dead and which only quiet, and where every frame went."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.operations import api, cards, jobs, pages
from hub.i18n import N_
from hub.module import Job, Module, Nav


def router() -> APIRouter:
    routes = APIRouter()
    routes.include_router(pages.router())
    routes.include_router(api.router)
    return routes


MODULE = Module(
    name="operations",
    title=N_("Operations"),
    router=router,
    jobs=(Job("board", jobs.keep, role="web"),),
    permissions={
        "operate.view": ("operator", "staff", "director", "attendant", "supervisor", "admin"),
        "operate.act": ("operator",),
    },
    topics=cards.TOPICS,
    nav=(Nav("staff", "/operate", N_("Operations"), "operate.view", icon="device", order=60),),
)
