"""Two mornings that a demo should remember: S-2's urgent pressure with its doctor told, and one that is overdue.

Everything goes the ordinary way: a card, two true frames of the hut's own cuff, a yes at the kiosk.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from devices import topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import all_profiles
from hub import directory, registry
from hub.arrival import open_uplink
from hub.batch import write_batch
from hub.civic.health import alerts, consents, cover, kiosk, tasks
from hub.db import Tx
from hub.registry import KnownDevice
from hub.uplink import Uplink, Verdict

WIRE = "sig.2a35"
# Days ago, and the two pressures of the visit. The first story's follow-up is open, the second's is overdue.
STORIES = ((2, ((186, 112), (184, 108))), (16, ((182, 104), (181, 100))))

DEPUTY = "deputy-doctor"
PHONES = "社区卫生服务站 0724-1000001\n泉口街道卫生院 0724-1000002"

TRUSTING = 20  # who agreed on paper that the family doctor may see all their readings


def seed(tx: Tx, world: Any) -> None:
    community = world.plan.communities[0]
    hut = next((each for each in community.huts if _cuff(tx, each.id) is not None), None)
    cast = world.plan.cast
    people = {person.id: person for person in community.people}
    if hut is None:
        return
    for ident in (cast.grandmother, cast.elder):
        if ident in people:
            consents.give(tx, ident, consents.TREND)
    # The eldest with a card who are not on the stage: its people begin with a clean page.
    on_stage = {cast.grandmother, cast.elder, cast.volunteer}
    elders = [each for each in sorted(people.values(), key=lambda each: each.born) if each.card]
    elders = [each for each in elders if each.id not in on_stage and each.born.year < world.now.year - 65]
    for person in elders[len(STORIES) : len(STORIES) + TRUSTING]:
        consents.give(tx, person.id, consents.DOCTOR, "written")
    _cover(tx, hut.id)
    for (days, pressures), person in zip(STORIES, elders, strict=False):
        at = (world.now - timedelta(days=days)).replace(hour=1, minute=12, second=0, microsecond=0)
        _visit(tx, world, hut.id, person.card, at, pressures)


def _visit(
    tx: Tx, world: Any, hut: str, card: str, at: datetime, pressures: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    world.clock.set(at)
    kiosk.open_session(tx, hut, card=card)
    kiosk.agree(tx, hut)
    for sys, dia in pressures:
        world.clock.set(tx.now() + timedelta(minutes=3))
        _measure(tx, hut, sys, dia)
    visit = kiosk.open_at(tx, hut)
    if visit is not None:
        alerts.tell_doctor(tx, visit, yes=True)
        for alert in alerts.of_session(tx, visit.id):
            alerts.finish(tx, alert.id)
        _answered(tx, visit.area)
    kiosk.end(tx, hut)


def _cover(tx: Tx, hut: str) -> None:
    """Who answers for the community of the stories."""
    area = registry.hut(tx, hut).area
    known = cover.doctors(tx, area)
    title = {"title_zh": "代班医生", "title_en": "Deputy doctor"}
    deputy = directory.hire(tx, DEPUTY, "杜衡", f"n-{DEPUTY}", [("doctor", area)], **title)
    cover.set_cover(tx, area, known[0].id if known else "", deputy.id, PHONES)


def _answered(tx: Tx, area: str) -> None:
    """The doctor has them in hand: a demo shall not begin with two that nobody answers for."""
    found = cover.of_area(tx, area)
    for task in tasks.below(tx, directory.area(tx, area).path, "open"):
        if found is not None and found.doctor:
            tasks.hold(tx, task, f"staff:{found.doctor}")


def _measure(tx: Tx, hut: str, sys: int, dia: int) -> None:
    device = _cuff(tx, hut)
    if device is None or device.profile is None:
        return
    taken = tx.now().astimezone(device.profile.zone).replace(tzinfo=None, microsecond=0)
    numbers = {
        "sys": (sys, "mm[Hg]"),
        "dia": (dia, "mm[Hg]"),
        "map": ((sys + 2 * dia) // 3, "mm[Hg]"),
        "pulse": (82, "/min"),
    }
    said = Measurement("bp", tuple(Value(code, Decimal(n), unit) for code, (n, unit) in numbers.items()), taken)
    uplink = Uplink(
        account=device.gateway,
        topic=topics.up(device.area, device.gateway, device.id, WIRE),
        payload=codec(WIRE).encode(said, device.profile),
        received=tx.now() + timedelta(seconds=1),
        settle=_settled,
    )
    write_batch(tx, [open_uplink(uplink, _Book(device), tx.new_id, tx.new_id())])


class _Book:
    """The one cuff of this story."""

    def __init__(self, device: KnownDevice) -> None:
        self._device = device

    def device(self, ident: str) -> KnownDevice | None:
        return self._device if ident == self._device.id else None

    def gateway_area(self, gateway: str) -> str | None:
        return self._device.area if gateway == self._device.gateway else None


def _cuff(tx: Tx, hut: str) -> KnownDevice | None:
    """A cuff of this hut that speaks the standard characteristic."""
    place = registry.hut(tx, hut)
    for row in registry.devices_of_hut(tx, hut):
        profile = all_profiles().get(row.profile or "")
        if profile is not None and row.kind == "bp" and row.state == "active" and WIRE in profile.codec.values():
            return KnownDevice(
                id=row.id,
                gateway=row.gateway,
                hut=hut,
                area=place.area,
                kind=row.kind,
                state=row.state,
                serial=row.serial,
                firmware=row.firmware,
                calibration=row.calibration,
                profile=profile,
            )
    return None


def _settled(_verdict: Verdict) -> None:
    """History has no sender who waits."""
