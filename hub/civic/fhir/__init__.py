"""FHIR R4: other systems read what they may of residents' readings, of devices and of their calibration."""

from __future__ import annotations

from hub.civic.fhir import doors
from hub.i18n import N_
from hub.module import Module

MODULE = Module(
    name="fhir",
    title=N_("FHIR interface"),
    router=lambda: doors.router,
    permissions={"fhir.devices": ("doctor", "operator", "attendant")},
)
