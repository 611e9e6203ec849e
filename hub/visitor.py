"""Who has shown a card at a hut's kiosk: asked of the slices, which alone know of visits."""

from __future__ import annotations

from hub import directory
from hub.access import Subject
from hub.db import Read
from hub.module import Module, discover


def at(read: Read, hut: str | None, modules: tuple[Module, ...] = ()) -> Subject | None:
    """The resident whose card lies on this kiosk now, as the one who acts; nobody during a guest's visit.

    `modules`: those of this program; without them all that are installed.
    """
    found = (module.visitor(read, hut) for module in modules or discover() if module.visitor is not None and hut)
    ident = next((each for each in found if each), None)
    if ident is None:
        return None
    person = directory.resident(read, ident)
    return Subject(
        id=ident, kind="resident", area=person.area, household=person.household, person=ident, surface="kiosk"
    )
