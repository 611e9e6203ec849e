"""What a resident agreed to, and takes back: at once effective, both on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub import directory
from hub.civic.health.events import ConsentChanged
from hub.db import Read, Tx
from hub.errors import Refused
from hub.i18n import N_, _
from hub.sightings import TOPIC as TOPIC

VERSION = "1"
KIOSK, DOCTOR, TREND = "kiosk", "doctor", "trend"


@dataclass(frozen=True, slots=True)
class Purpose:
    name: str  # msgid
    words: str  # msgid


PURPOSES: Mapping[str, Purpose] = {
    KIOSK: Purpose(
        N_("Keep my results under my name"),
        N_("What the health hut measures after my card is kept in my own record, for 3 years."),
    ),
    DOCTOR: Purpose(
        N_("My family doctor may see my readings"),
        N_("The doctor sees them, and is told at once when a value is urgent and confirmed."),
    ),
    TREND: Purpose(
        N_("Tell me when my values change"),
        N_("The hub compares my last days with my own usual values and tells me alone."),
    ),
}


def stands(read: Read, person: str, purpose: str) -> bool:
    return directory.has_consent(read, person, purpose, VERSION)


def give(tx: Tx, person: str, purpose: str, basis: str = "app") -> None:
    _known(purpose)
    if not stands(tx, person, purpose):
        directory.give_consent(tx, person, purpose, VERSION, basis)
        _changed(tx, person, purpose, yes=True)


def take_back(tx: Tx, person: str, purpose: str) -> None:
    """From this moment on; what follows from it (tasks, lists) hears the event in the same transaction."""
    _known(purpose)
    directory.withdraw_consent(tx, person, purpose)
    _changed(tx, person, purpose, yes=False)


def _known(purpose: str) -> None:
    if purpose not in PURPOSES:
        raise Refused(_("There is nothing of that name to agree to"))


def _changed(tx: Tx, person: str, purpose: str, *, yes: bool) -> None:
    tx.session.flush()
    tx.emit(ConsentChanged, person=person, purpose=purpose, yes=yes)
    tx.touch(TOPIC, person)
