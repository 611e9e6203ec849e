"""The fleet: devices from the label to the scrap heap, their papers, what they were told, and why one is held back."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.fleet import api, book, jobs, lots, pages, phone, seed
from hub.events import ReadingsStored
from hub.i18n import N_
from hub.module import Module, Nav, joined


def router() -> APIRouter:
    return joined(pages.router, phone.router, api.router)


MODULE = Module(
    name="fleet",
    title=N_("Devices and papers"),
    router=router,
    listeners=((ReadingsStored, lots.on_stored),),
    jobs=jobs.JOBS,
    permissions={
        book.VIEW: ("operator", "attendant", "supervisor", "admin"),
        book.CLAIM: ("operator", "attendant"),
        book.ACT: ("operator",),
    },
    nav=(
        Nav("staff", "/operate/fleet", N_("Devices and papers"), book.VIEW, icon="device", order=62),
        Nav("staff", "/claim", N_("Set up a device"), book.CLAIM, icon="device", order=64),
    ),
    seed=seed.seed,
    seed_order=15,
    uploads=("/operate/fleet",),
)
