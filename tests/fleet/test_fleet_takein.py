"""What a device says while it is held back is not lost: released, it gives the readings it would have given, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from devices import pack, topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.pack import Record
from devices.profile import profile
from hub import held, lifecycle, quarantine, registry
from hub.batch import Outcome, write_batch
from hub.civic.fleet import lots, takein
from hub.civic.fleet.lots import Strips
from hub.quarantine import QuarantineRow
from tests.fleet.fleetrig import HUT, LIUHE, Fleet, cuff

pytestmark = pytest.mark.anyio
METER = "generic.sig.2a18"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    made.services.ingest = SimpleNamespace()  # type: ignore[assignment]
    yield made
    made.store.close()


def send(fleet: Fleet, seq: int, payload: bytes) -> None:
    """An entry of a gateway's outbox, as it comes from a box."""
    at = fleet.clock.now()
    topic = str(topics.UpPack(LIUHE, HUT, "bp-1"))
    fleet.up(topic, pack.build("b7", seq, at, [Record("sig.2a35", payload, at)]))


async def take(fleet: Fleet) -> held.Standing:
    fleet.book.look()
    await takein.once(fleet.services)
    return fleet.look(held.standing, "bp-1")  # type: ignore[no-any-return]


def unread(fleet: Fleet) -> Counter[str]:
    rule = select(QuarantineRow).where(QuarantineRow.seen.is_(False))  # type: ignore[attr-defined]
    return Counter(row.reason for row in fleet.look(lambda read: list(read.session.execute(rule).scalars())))


async def test_released_frames_become_the_readings_they_would_have_been_once(fleet: Fleet) -> None:
    moment = fleet.clock.now()
    fleet.act(lifecycle.move, "bp-1", "quarantined", "tried")
    good, dated = cuff(moment, 151, 93), cuff(moment + timedelta(minutes=1), 160, 95)
    send(fleet, 1, good)
    send(fleet, 2, dated[:-1])  # cut on its way
    send(fleet, 3, dated)
    send(fleet, 3, dated)  # its PUBACK was lost
    assert (fleet.readings("bp-1"), fleet.look(held.standing, "bp-1").waiting) == ([], 3)
    fleet.act(takein.wanted, "bp-1", take_in=True)
    assert (await take(fleet)).due == 3, "while it is held back nothing is taken in"
    fleet.clock.advance(3 * 3600)
    fleet.act(lifecycle.move, "bp-1", "active", "new cuff")
    fleet.up(topics.up(LIUHE, HUT, "bp-1", "sig.2a35"), dated)  # the device's memory told it once more, first
    standing = await take(fleet)
    assert (standing.stored, standing.twice, dict(standing.refused)) == (1, 1, {"truncated": 1})
    first = min(fleet.readings("bp-1"), key=lambda row: row.t_effective_ms)
    assert first.t_received_ms == int(moment.timestamp() * 1000), "with the time it came with"
    assert (first.boot, first.seq, first.person, first.bound_by) == ("b7", 1, None, "none")
    assert unread(fleet) == {"truncated": 1}, "what was refused says why, what was stored is no trouble any more"
    assert (await take(fleet)) == standing
    assert len(fleet.readings("bp-1")) == 2
    assert fleet.audited("bp-1")[-1] == "FramesTakenIn"


async def test_another_content_under_a_known_key_is_refused_as_a_conflict(fleet: Fleet) -> None:
    at = fleet.clock.now()
    fleet.up(topics.up(LIUHE, HUT, "bp-1", "sig.2a35"), cuff(at, 120, 80))
    fleet.act(lifecycle.move, "bp-1", "quarantined", "tried")
    fleet.up(topics.up(LIUHE, HUT, "bp-1", "sig.2a35"), cuff(at, 190, 80))
    fleet.act(lifecycle.move, "bp-1", "active", "tried")
    fleet.act(takein.wanted, "bp-1", take_in=True)
    assert dict((await take(fleet)).refused) == {"conflict": 1}
    assert (len(fleet.readings("bp-1")), unread(fleet)) == (1, {"conflict": 1})


async def test_a_good_control_check_of_a_held_meter_lets_it_back_by_itself(fleet: Fleet) -> None:
    fleet.act(registry.add_device, "meter-1", HUT, METER, serial="M-1")
    day = fleet.clock.now().date()
    fleet.act(lots.open_lot, "meter-1", Strips("L-7", day + timedelta(days=90), "4.9", "6.6"))
    fleet.act(lots.check, "meter-1", "7.0")
    drop = Value("glucose", Decimal("5.6"), "mmol/L")
    assert tell(fleet, drop, "glucose").quarantined == 1, "nobody's drop is measured with strips that failed"
    bottle = Value("control", Decimal("5.5"), "mmol/L")
    assert tell(fleet, bottle, "control").stored == 1
    assert fleet.device("meter-1").state == "active"
    assert fleet.look(held.standing, "meter-1").waiting == 1


def tell(fleet: Fleet, value: Value, kind: str) -> Outcome:
    fleet.clock.advance(60)
    local = fleet.clock.now().astimezone(profile(METER).zone).replace(tzinfo=None, microsecond=0)
    context: dict[str, str | int] = {"sample": "control" if kind == "control" else "capillary-whole"}
    said = Measurement(kind, (value,), local, (), context, str(fleet.number))
    return fleet.up(topics.up(LIUHE, HUT, "meter-1", "sig.2a18"), codec("sig.2a18").encode(said, profile(METER)))


async def test_what_is_left_out_or_too_old_keeps_no_byte(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "FRAMES_MAX", 2)
    fleet.act(lifecycle.move, "bp-1", "quarantined", "tried")
    for seq in (1, 2, 3):
        send(fleet, seq, cuff(fleet.clock.now() + timedelta(minutes=seq), 120, 80))
    assert fleet.look(held.standing, "bp-1").waiting == 2, "one mad device must not fill the disk"
    fleet.act(takein.wanted, "bp-1", take_in=False)
    kept: list[Any] = fleet.look(lambda read: list(read.session.execute(select(held.HeldFrame)).scalars()))
    assert {(row.state, row.payload) for row in kept} == {("left", b"")}
    fleet.clock.advance(held.KEPT.total_seconds() + 1)
    assert fleet.act(held.forget, 10) == 2


async def test_a_frame_that_breaks_a_rule_costs_itself_only(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.act(lifecycle.move, "bp-1", "quarantined", "tried")
    for seq in (1, 2, 3):
        send(fleet, seq, cuff(fleet.clock.now() + timedelta(minutes=seq), 120 + seq, 80))
    fleet.act(lifecycle.move, "bp-1", "active", "tried")
    fleet.act(takein.wanted, "bp-1", take_in=True)

    def broken(tx: Any, opened: Any) -> Any:
        if any(arrival.seq == 2 for each in opened for arrival in each.arrivals):
            raise RuntimeError("a listener fell over this one")
        return write_batch(tx, opened)

    monkeypatch.setattr(takein, "write_batch", broken)
    standing = await take(fleet)
    assert (standing.stored, dict(standing.refused)) == (2, {"unworkable": 1})


async def test_the_page_releases_and_takes_in_and_says_what_became_of_it(fleet: Fleet) -> None:
    from hub.civic.fleet import holds
    from hub.civic.fleet.rules import Finding

    fields = {"readings": 20, "bad": 2, "percent": 5, "hours": 24}
    fleet.act(holds.place, Finding("bp-1", HUT, "implausible", fields))
    fleet.measure()
    fleet.up(topics.up(LIUHE, HUT, "bp-1", "sig.2a35"), b"\x00")
    async with fleet.client() as client:
        page = (await client.get("/operate/fleet/bp-1")).text
        assert "放行并补录 2 帧" in page
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        hold = fleet.look(holds.of_device, "bp-1")[0].id
        body = {"csrf": csrf, "why": "换了袖带", "take": "in"}
        assert (await client.post(f"/operate/fleet/holds/{hold}/release", data=body)).status_code == 303
        assert "正在补录 2 帧" in (await client.get("/operate/fleet/bp-1")).text
        await take(fleet)
        page = (await client.get("/operate/fleet/bp-1")).text
    assert "已补录：入库 1，已有 0，未能入库 1" in page
    assert quarantine.words("truncated") in page
    assert "{" not in quarantine.words("truncated")
