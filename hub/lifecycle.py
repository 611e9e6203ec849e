"""A device's life: registered -> provisioned -> active -> quarantined -> retired, each step audited with its reason.

A provisioned device becomes active with its first reading. A quarantined one gives no readings until somebody lets it
back with a reason; a retired one is over, and its id is never used again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hub import directory, registry
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.events import DeviceMoved
from hub.i18n import _
from hub.registry import Device, Gateway

FIRST_READING = "first-reading"
STEPS: Mapping[str, frozenset[str]] = {
    "registered": frozenset({"provisioned", "active", "retired"}),
    "provisioned": frozenset({"registered", "active", "quarantined", "retired"}),
    "active": frozenset({"provisioned", "quarantined", "retired"}),
    "quarantined": frozenset({"active", "provisioned", "retired"}),
    "retired": frozenset(),
}
WHY_CHARS_MAX = 200


def device(read: Read, ident: str) -> Device:
    found = read.session.get(Device, ident)
    if found is None:
        raise NotFound(_("There is no such device"))
    return found


def move(tx: Tx, ident: str, state: str, why: str = "", *, cause: str | None = None) -> Device:
    """The next step of a device's life. To where it stands already is no step."""
    found = device(tx, ident)
    if state not in STEPS:
        raise Refused(_("A device is one of: {states}").format(states=", ".join(STEPS)))
    before = found.state
    if before == state:
        return found
    if state not in STEPS[before]:
        raise Conflict(_("A device that is {before} cannot become {after}").format(before=before, after=state))
    found.state = state
    tx.session.add(found)
    tx.session.flush()
    registry.moved(tx)
    tx.emit(
        DeviceMoved,
        cause=cause,
        device=ident,
        hut=found.hut,
        area=area_of(tx, found),
        before=before,
        after=state,
        why=why.strip()[:WHY_CHARS_MAX],
    )
    return found


def activate(tx: Tx, idents: Collection[str], cause: str) -> None:
    """The first reading of a device that was only set up. Another worker may have heard it first."""
    for ident in sorted(idents):
        row = tx.session.get(Device, ident, populate_existing=True)
        if row is not None and row.state == "provisioned":
            move(tx, ident, "active", FIRST_READING, cause=cause)


def area_of(read: Read, found: Device) -> str:
    behind = read.session.get(Gateway, found.gateway)
    return behind.area if behind is not None else ""


def path_of(read: Read, found: Device) -> str:
    """The area path whose operators and attendants look after this device."""
    return directory.area(read, area_of(read, found)).path
