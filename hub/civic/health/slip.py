"""The slip: where a hut has a printer of its own, its gateway prints it; elsewhere the browser of the kiosk does.

What is printed travels as a command to the hut's gateway, sealed in the store, and is forgotten with its answer.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory, readings, registry, twin
from hub.civic.health import figures, kiosk
from hub.civic.health.models import KioskSession
from hub.db import Read, Tx
from hub.i18n import _, pick
from hub.registry import Device

KIND = "printer"
WAITS_S = 120  # nobody stands at a printer for longer


def printer(read: Read, hut: str) -> Device | None:
    rule = select(Device).where(col(Device.hut) == hut, col(Device.kind) == KIND, col(Device.state) == "active")
    return read.session.execute(rule.order_by(col(Device.id)).limit(1)).scalar_one_or_none()


def show(tx: Tx, hut: str) -> None:
    """Turn to the slip's page, and let the hut's printer print it."""
    kiosk.turn_to(tx, hut, "slip")
    session, found = kiosk.open_at(tx, hut), printer(tx, hut)
    if session is None or session.stage != "slip" or session.reading is None or found is None:
        return
    title, lines = words(tx, session)
    twin.order(tx, found.id, "print", {"title": title, "lines": list(lines)}, expires_s=WAITS_S)


def words(read: Read, session: KioskSession) -> tuple[str, tuple[str, ...]]:
    """What stands on the slip: no name, the number with its word, and the disclaimer."""
    place = registry.hut(read, session.hut)
    area = directory.area(read, place.area)
    shown = figures.shown(read, readings.get(read, str(session.reading)))
    at = shown.at.astimezone(ZoneInfo(area.tz)).strftime("%Y-%m-%d %H:%M")
    numbers = [f"{each.name} {each.text} {each.unit}" for each in (*shown.large, *shown.small)]
    said = [_("{name}: {word}").format(name=each.name, word=each.word) for each in shown.judged]
    why = [text for text in (shown.failure, shown.unjudged) if text]
    lines = (f"{pick(area.zh, area.en)} {pick(place.zh, place.en)}", at, *numbers, *said, *why)
    return shown.name, (*lines, _("For self-check only, not a basis for diagnosis"))
