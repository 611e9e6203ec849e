"""Home Assistant finds a hut's environment sensors and its kiosk's health by itself. Of persons it never hears."""

from __future__ import annotations

from hub.civic.discovery import publishing
from hub.i18n import N_
from hub.module import Job, Module

MODULE = Module(
    name="discovery",
    title=N_("Home Assistant"),
    jobs=(Job("home-assistant", publishing.keep_published),),
)
