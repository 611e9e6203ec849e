"""Strip lots and control solution: a meter is as good as the strips in it.

The lot in use is frozen into every reading's context (`lot`), so that a bad lot can be recalled later. A control check
outside its range, or a lot past its day, holds the meter back; a good check lets it go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlalchemy import select, update
from sqlmodel import col

from hub import lifecycle, registry
from hub.arrival import CONTROL
from hub.civic.fleet import certificates, holds
from hub.civic.fleet.events import ControlChecked, LotOpened
from hub.civic.fleet.models import ControlCheck, StripLot
from hub.civic.fleet.rules import Finding
from hub.db import Read, Tx
from hub.errors import Conflict, Refused
from hub.events import ReadingsStored
from hub.i18n import _

UNITS = ("mmol/L", "mg/dL", "umol/L")
EXPIRED, FAILED = "lot-expired", "control-failed"


@dataclass(frozen=True, slots=True)
class Strips:
    """A lot as it was typed in from the box."""

    number: str
    expires: date
    low: str
    high: str
    unit: str = "mmol/L"


def current(read: Read, device: str) -> StripLot | None:
    rule = select(StripLot).where(col(StripLot.device) == device, col(StripLot.closed).is_(None))
    return read.session.execute(rule.order_by(col(StripLot.opened).desc()).limit(1)).scalar_one_or_none()


def open_lot(tx: Tx, device: str, strips: Strips) -> StripLot:
    """A new box is opened; the one before it is closed."""
    found = lifecycle.device(tx, device)
    number = strips.number.strip()
    if not 0 < len(number) <= 64 or not number.isprintable() or '"' in number or "\\" in number:
        raise Refused(_("A lot has a number of 64 characters at most"))
    low, high = _number(strips.low), _number(strips.high)
    if low >= high or strips.unit not in UNITS:
        raise Refused(_("The control range begins below its end, in one of: {units}").format(units=", ".join(UNITS)))
    if strips.expires < certificates.today(tx, found):
        raise Refused(_("These strips are past their day"))
    tx.change(
        update(StripLot).where(col(StripLot.device) == device, col(StripLot.closed).is_(None)).values(closed=tx.now())
    )
    lot = StripLot(
        id=tx.new_id(),
        device=device,
        number=number,
        expires=strips.expires,
        low=str(low),
        high=str(high),
        unit=strips.unit,
        opened=tx.now(),
        by=tx.actor.id,
    )
    found.lot = number
    tx.session.add_all((lot, found))
    tx.session.flush()
    registry.moved(tx)
    tx.emit(LotOpened, lot=lot.id, device=device, number=number)
    holds.release_rule(tx, device, EXPIRED, number)
    return lot


def check(tx: Tx, device: str, value: str, *, reading: str | None = None) -> ControlCheck:
    """Control solution was measured with the strips in use."""
    lot = current(tx, device)
    if lot is None:
        raise Conflict(_("Enter the strip lot first: its box says the range"))
    number = _number(value)
    ok = Decimal(lot.low) <= number <= Decimal(lot.high)
    made = ControlCheck(
        id=tx.new_id(), device=device, lot=lot.number, value=str(number), ok=ok, at=tx.now(), by=tx.actor.id,
        reading=reading,
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    tx.emit(ControlChecked, check=made.id, device=device, ok=ok)
    if ok:
        holds.release_rule(tx, device, FAILED, _("control solution within its range"))
    else:
        found = lifecycle.device(tx, device)
        fields = {"low": lot.low, "high": lot.high, "unit": lot.unit}
        holds.place(tx, Finding(device, found.gateway, FAILED, fields))
    return made


def on_stored(tx: Tx, event: ReadingsStored) -> None:
    """Listener: a meter that was given control solution says so itself."""
    for reading in event.readings:
        if reading.kind != CONTROL or reading.late:
            continue
        known = select(col(ControlCheck.id)).where(col(ControlCheck.reading) == reading.id)
        if tx.session.execute(known).first() is not None or current(tx, reading.device) is None:
            continue
        value = next((each.text for each in reading.values if each.text is not None), None)
        if value is not None:
            check(tx, reading.device, value, reading=reading.id)


def past(read: Read) -> list[tuple[StripLot, str]]:
    """Lots in use that are past their day, with the gateway of their device."""
    rule = select(StripLot, registry.Device).join(registry.Device, col(registry.Device.id) == col(StripLot.device))
    rows = read.session.execute(rule.where(col(StripLot.closed).is_(None), col(registry.Device.state) == "active"))
    return [(lot, device.gateway) for lot, device in rows if lot.expires < certificates.today(read, device)]


def of_device(read: Read, device: str) -> Sequence[StripLot]:
    rule = select(StripLot).where(col(StripLot.device) == device).order_by(col(StripLot.opened).desc())
    return list(read.session.execute(rule.limit(20)).scalars())


def checks(read: Read, device: str) -> Sequence[ControlCheck]:
    rule = select(ControlCheck).where(col(ControlCheck.device) == device).order_by(col(ControlCheck.at).desc())
    return list(read.session.execute(rule.limit(20)).scalars())


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 < number < 10_000 or len(str(number)) > 16:
        raise Refused(_("Type a number such as 5.6"))
    return number
