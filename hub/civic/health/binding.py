"""Whose reading is it? A device does not know; the kiosk's open visit does. In the batch's own transaction.

When in doubt a reading stays nobody's: a number missing from one's list can be measured again, a stranger's number in
it can hurt.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from devices.codes import of_person
from hub import readings
from hub.civic.health import alerts, bands, character, kiosk, meals, rules
from hub.civic.health.models import KioskSession
from hub.db import Tx
from hub.events import ReadingsStored, StoredReading

CLOCK_GRACE = timedelta(seconds=120)  # a device clock may be this far off and still be believed (devices.md 7.3)
FRESH = timedelta(minutes=10)  # an urgent value nobody claimed is worth a look only while someone may sit there


def bind_stored(tx: Tx, event: ReadingsStored) -> None:
    """Listener: tie what this batch stored to the visit open at its hut."""
    here = [reading for reading in event.readings if reading.hut is not None and of_person(reading.kind)]
    if not here:
        return
    sessions = kiosk.open_among(tx, {str(reading.hut) for reading in here})
    for reading in sorted(here, key=lambda each: (each.t_received, each.id)):
        session = sessions.get(str(reading.hut))
        if session is None:
            _look_at_unclaimed(tx, reading)
        elif fits(
            reading, session.began, None if session.began is None else kiosk.last_end(tx, session.hut, session.id)
        ):
            _take(tx, session, reading)
        elif tx.now() - reading.t_effective <= FRESH and not reading.late:  # what a release takes in is older news
            session.note = "mistimed"
            tx.session.add(session)
            tx.touch(kiosk.TOPIC, session.hut)


def fits(reading: StoredReading, began: datetime | None, before_ended: datetime | None) -> bool:
    """Whether a reading can belong to the visit: received while it lasts and, by its own time, taken in it."""
    if began is None or reading.late or reading.t_received < began:
        return False
    if reading.t_effective < began - CLOCK_GRACE:
        return False
    # Within the grace it may still be the neighbour's who has just left.
    return reading.t_effective >= began or before_ended is None or reading.t_effective > before_ended


def _take(tx: Tx, session: KioskSession, reading: StoredReading) -> None:
    if session.person is not None and character.doubts(tx, session.person, reading.kind, reading.values):
        kiosk.ask_whose(tx, session, reading.id, reading.kind)
        return
    if reading.kind == meals.KIND:
        meals.take_along(tx, session, reading.id)
    readings.bind(tx, reading.id, session.person, "guest" if session.guest else "card", session.id)
    if session.reading == reading.id:
        return
    session.reading, session.stage, session.note, session.hold_until = reading.id, "result", "", None
    session.focus = reading.kind
    session.last_touch, session.warned = tx.now(), None
    tx.session.add(session)
    tx.touch(kiosk.TOPIC, session.hut)


def _look_at_unclaimed(tx: Tx, reading: StoredReading) -> None:
    if reading.late or tx.now() - reading.t_effective > FRESH:
        return
    if not rules.may_be_urgent(reading.kind, reading.values):
        return
    found = bands.judge_values(reading.kind, reading.values, reading.quality, reading.id)
    for band in found:
        if band.level == "urgent":
            alerts.raise_urgent(tx, band, reading=reading.id, session=None, hut=reading.hut, area=reading.area)
