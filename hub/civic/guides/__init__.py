"""Guides (办事指南): what a resident must bring, do and pay to get a thing done, and where and when."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.guides import api, cards, contacts, pages, seed
from hub.i18n import N_
from hub.module import Module, Nav, joined

PERMISSIONS = {
    "guides.read": ("staff", "director", "grid_worker", "supervisor"),
    "guides.write": ("staff", "director"),
}


def router() -> APIRouter:
    return joined(pages.router, contacts.router, api.router)


MODULE = Module(
    name="guides",
    title=N_("Guides"),
    router=router,
    permissions=PERMISSIONS,
    topics=(*cards.TOPICS, *contacts.TOPICS),
    cards=(*cards.CARDS, *contacts.CARDS),
    nav=(Nav("staff", "/desk/guides", N_("Guides"), "guides.read", icon="info", order=60),),
    seed=seed.seed,
    seed_order=30,
)
