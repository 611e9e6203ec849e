"""Webhooks: other systems are told what happened here, signed, once it stands on disk, and nobody's data with it."""

from __future__ import annotations

from hub.civic.webhooks import book, carrier, pages
from hub.civic.webhooks.kinds import KINDS
from hub.i18n import N_
from hub.module import Module, Nav

MODULE = Module(
    name="webhooks",
    title=N_("Webhooks"),
    router=lambda: pages.router,
    listeners=tuple((each.event, book.on_event) for each in KINDS),
    jobs=carrier.JOBS,
    permissions={"webhooks.manage": ("operator", "admin")},
    topics=pages.TOPICS,
    nav=(Nav("staff", "/operate/webhooks", N_("Webhooks"), "webhooks.manage", icon="send", order=70),),
)
