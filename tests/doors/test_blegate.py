"""The gateway program of a hut's box, with recorded devices instead of a radio, against a whole hub and its real store:
whatever breaks, each record arrives once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from devices.pack import Record
from hub import registry, twin
from hub.civic.fleet import jobs
from hub.cli import app, attach_rest
from hub.main.blegate.program import BleGateway
from hub.main.blegate.setup import Place, Setup, SetupWrong, read, with_device
from hub.main.blegate.slip import PrinterTrouble, escpos, print_to
from hub.main.blegate.visit import clock_bytes, clock_of
from hub.presence import Sighting
from simulators.gatt import Peripheral, RecordedRadio
from simulators.hut import new_boot
from simulators.journal import Entry, Journal
from tests.doors.town import EMBEDDED, PLAN, Town, town, within
from tests.world import LIUHE, until

pytestmark = pytest.mark.anyio
RECORDED = Path(__file__).parent / "recorded"
CUFF, METER = "lh1-bp-1", "lh1-meter-9"
CST = timezone(timedelta(hours=8))
YEARS = (datetime.fromisoformat("2015-01-01"), datetime.fromisoformat("2099-12-31"))
NOW = datetime(2026, 11, 22, 0, 52, tzinfo=UTC)  # 08:52 in Jingmen


class Killed(Exception):
    """The plug was pulled at this very step."""


def cuff(*breaks: int) -> Peripheral:
    made = Peripheral.load(RECORDED / "cuff.json")
    made.breaks_after = list(breaks)
    return made


def meter(*breaks: int) -> Peripheral:
    made = Peripheral.load(RECORDED / "meter.json")
    made.breaks_after = list(breaks)
    return made


def setup_of(it: Town) -> Setup:
    password = it.folder / "password"
    password.write_text(it.secrets[PLAN.gateway], "utf-8")
    places = (
        Place(CUFF, "F8:33:31:00:11:22", "omron-hem9200t"),
        Place(METER, "C4:64:E3:0A:0B:0C", "generic.sig.2a18"),
    )
    return Setup(f"mqtt://127.0.0.1:{it.port}", PLAN.gateway, LIUHE, password, places)


async def with_meter(it: Town) -> None:
    await it.store.write(lambda tx: registry.add_device(tx, METER, PLAN.gateway, "generic.sig.2a18"))
    await it.hub.services.registry.load()


def program_of(it: Town, *peripherals: Peripheral) -> BleGateway:
    journal = Journal.open(it.folder / "box.journal", new_boot)
    return BleGateway(
        setup_of(it), RecordedRadio(peripherals), journal, now=lambda: NOW, quiet_s=1.0, rest_s=0.0, receipt_wait_s=1.0
    )


async def pull_the_plug(program: BleGateway, killed: asyncio.Event) -> None:
    """Run until the step at which it dies, and leave what a killed process leaves: files, and a line that is gone."""
    work = asyncio.get_running_loop().create_task(program.run())
    dead = asyncio.get_running_loop().create_task(killed.wait())
    await asyncio.wait({work, dead}, return_when=asyncio.FIRST_COMPLETED)
    dead.cancel()
    work.cancel()
    await asyncio.wait([work])
    gateway = program.gateway
    if gateway._task is not None:
        gateway._task.cancel()
        await asyncio.wait([gateway._task])
    if gateway._line is not None:
        await gateway._line.drop()
    gateway.journal.close()


def dies(program: BleGateway, at: int, *, after_the_disk: bool, killed: asyncio.Event) -> None:
    """The `at`-th record dies on its way into the outbox, or just behind it."""
    keep: Callable[[str, Sequence[Record]], Entry] = program.gateway.keep
    count = Counter[str]()

    def fatal(device: str, records: Sequence[Record]) -> Entry:
        count["kept"] += 1
        if count["kept"] < at:
            return keep(device, records)
        if count["kept"] == at and after_the_disk:
            keep(device, records)
        killed.set()
        raise Killed

    program.gateway.keep = fatal  # type: ignore[method-assign]


async def test_whatever_step_the_box_dies_at_each_record_arrives_once(tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        await with_meter(it)
        wrist, drop = cuff(1), meter(2)
        for at, after in ((1, False), (1, True), (2, False), (3, True)):
            killed, program = asyncio.Event(), program_of(it, wrist, drop)
            dies(program, at, after_the_disk=after, killed=killed)
            await within(pull_the_plug(program, killed))
            drop.told_all = False
        program = program_of(it, wrist, drop)
        await within(program.run())
        await within(program.gateway.settled())
        assert program.gateway.journal.pending() == []
        await program.gateway.stop()
        assert wrist.memory == [], "the cuff got rid of everything"
        kinds = Counter(row.kind for row in it.readings())
        assert kinds == {"bp": 3, "glucose": 3}, "none lost, none twice, and no context left over"
        meals = [json.loads(row.context).get("meal") for row in it.readings() if row.kind == "glucose"]
        assert Counter(meals) == {"fasting": 1, None: 1, "after": 1}
        assert it.quarantined() == []


async def test_the_clock_is_read_then_set_and_the_hub_learns_who_is_there(tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        wrist = cuff()
        order = await it.store.write(lambda tx: twin.order(tx, CUFF, "sync-clock"))
        program = program_of(it, wrist)
        program.ordered(CUFF, order.id, {"name": "sync-clock", "expires": (NOW + timedelta(hours=1)).isoformat()})
        program.gateway.start()
        await within(program.gateway.online())
        place = program.setup.devices[0]
        told = await program.visit(place, wrist.advert())
        assert told is not None
        assert (told.battery, told.clock_set, told.records) == (87, True, 3)
        assert told.clock_offset_s == round((NOW - datetime(2026, 11, 21, 7, 40, tzinfo=CST)).total_seconds())
        assert wrist.written == [("2a2b", clock_bytes(NOW, CST, long=True))]
        await within(program.gateway.settled())
        await it.until(lambda: _command(it, order.id).state == "done")
        assert _command(it, order.id).answer == f"{told.clock_offset_s:+d} s"
        await it.until(lambda: _device(it).firmware == "1.0.3")
        assert _device(it).serial == "DEMO-LH1-BP-1", "what a person entered is not overwritten"
        assert twin.reported(it.store.read_now(lambda read: twin.of(read, CUFF)))["battery"] == 87
        seen = it.store.read_now(lambda read: read.session.get(Sighting, (PLAN.gateway, CUFF)))
        assert seen is not None
        assert (seen.serial, seen.firmware) == ("20230417004", "1.0.3")
        await program.gateway.stop()


def _command(it: Town, ident: str) -> twin.Command:
    found = it.store.read_now(lambda read: read.session.get(twin.Command, ident))
    assert found is not None
    return found


def _device(it: Town) -> registry.Device:
    found = it.store.read_now(lambda read: read.session.get(registry.Device, CUFF))
    assert found is not None
    return found


async def test_oximeter_scale_and_thermometer_are_read_each_in_its_way(tmp_path: Path) -> None:
    there = [Peripheral.load(RECORDED / f"{name}.json") for name in ("oximeter", "scale", "thermometer")]
    profiles = ("nonin-3230", "generic.sig.2a9c", "and-ut201ble")
    async with town(EMBEDDED, tmp_path) as it:
        ids = [f"lh1-ble-{number}" for number in range(3)]
        for ident, model in zip(ids, profiles, strict=True):
            await it.store.write(lambda tx, i=ident, m=model: registry.add_device(tx, i, PLAN.gateway, m))  # type: ignore[misc]
        await it.hub.services.registry.load()
        places = [Place(ident, each.address, model) for ident, each, model in zip(ids, there, profiles, strict=True)]
        journal = Journal.open(it.folder / "box.journal", new_boot)
        box = replace(setup_of(it), devices=tuple(places))
        program = BleGateway(box, RecordedRadio(there), journal, now=lambda: NOW, quiet_s=1.0, rest_s=0.0)
        await within(program.run())
        await within(program.gateway.settled())
        await program.gateway.stop()
        found = Counter(row.kind for row in it.readings())
        assert found == {"spo2": 2, "body": 1, "temp": 1}, "two equal readings without a time may be two people's"
        body = next(row for row in it.readings() if row.kind == "body")
        assert "part_missing" not in body.reasons
        assert there[2].written == [("2a08", clock_bytes(NOW, CST, long=False))], "a clock that was never set is set"
        assert it.quarantined() == []


async def test_an_order_crosses_the_door_and_its_answer_comes_back(tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        program = program_of(it)
        program.gateway.start()
        await within(program.gateway.online())
        order = await it.store.write(lambda tx: twin.order(tx, CUFF, "identify"))
        await jobs.carry_once(it.hub.services)
        await it.until(lambda: _command(it, order.id).state == "failed")
        assert "identify" in _command(it, order.id).answer, "a cuff has nothing that blinks"
        await program.gateway.stop()


@given(st.datetimes(*YEARS), st.booleans())
@settings(max_examples=25)
def test_a_clock_reads_as_it_was_written(moment: datetime, long: bool) -> None:
    at = moment.replace(tzinfo=CST)
    assert clock_of(clock_bytes(at, CST, long=long), CST) == at.replace(microsecond=0).astimezone(UTC)


@given(st.binary(max_size=12))
@settings(max_examples=25)
def test_a_clock_that_says_nonsense_is_no_clock(value: bytes) -> None:
    said = clock_of(value, CST)
    assert said is None or said.tzinfo is not None


def test_a_slip_is_cut_to_the_paper_and_carries_no_command_of_its_text() -> None:
    slip = escpos("健康小屋", ["血压 128/82 mmHg " * 3, "\x1b@\x1dV\x00坏"])
    assert slip.startswith(b"\x1b@\x1c&")
    body = slip.removeprefix(b"\x1b@\x1c&\x1d!\x11").removesuffix(b"\n\n\n\x1dV\x42\x00").replace(b"\x1d!\x00", b"")
    rows = body.decode("gb18030").splitlines()
    assert all(sum(2 if ord(char) > 127 else 1 for char in row) <= 32 for row in rows)
    assert "\x1b" not in body.decode("gb18030")


async def test_a_slip_reaches_port_9100_and_a_missing_printer_is_said(tmp_path: Path) -> None:
    got = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await print_to(f"tcp://127.0.0.1:{port}", escpos("小票", ["1"]))
        assert (await asyncio.wait_for(got, 10)).startswith(b"\x1b@")
        box = Setup(
            "mqtt://127.0.0.1:1", "lh-hut-1", LIUHE, tmp_path / "word", (), f"tcp://127.0.0.1:{port}", "printer-1"
        )
        box.password_file.write_text("x", "utf-8")
        got = asyncio.get_running_loop().create_future()
        journal = Journal.open(tmp_path / "box.journal", new_boot)
        program = BleGateway(box, RecordedRadio([]), journal, now=lambda: NOW)
        order = {"name": "print", "args": {"title": "血压", "lines": ["高压 128"]}}
        program.ordered("printer-1", "c-1", order | {"expires": (NOW + timedelta(minutes=2)).isoformat()})
        assert "高压 128".encode("gb18030") in await asyncio.wait_for(got, 10)
        program.ordered("printer-1", "c-2", order | {"expires": NOW.isoformat()})
        await within(until(lambda: program.gateway.counts["answers"] == 2))
        journal.close()
    with pytest.raises(PrinterTrouble, match="did not take"):
        await print_to(str(tmp_path / "lp0"), b"x")
    assert not (tmp_path / "lp0").exists(), "a slip must not end up as a file"


def test_without_bleak_one_sentence_and_with_a_recording_the_profiles_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "bleak", None)
    with contextlib.suppress(RuntimeError):
        attach_rest()
    answer = CliRunner().invoke(app, ["gateway", "scan", "--seconds", "1"])
    assert answer.exit_code == 1
    how = "python3 -m pip --python .venv/bin/python install 'bleak>="
    assert answer.stderr.startswith(f"linli: reading Bluetooth devices needs the extra `ble`: {how}")
    assert answer.stderr.count("\n") == 1
    found = CliRunner().invoke(app, ["gateway", "scan", "--recorded", str(RECORDED / "cuff.json"), "--json"])
    assert json.loads(found.stdout)[0]["profiles"][0] == "omron-hem9200t"


def test_pairing_enters_a_device_once_and_keeps_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '# ours\n[hub]\nmqtt = "mqtt://127.0.0.1:1883"\ngateway = "lh-hut-1"\narea = "420802002001"\n'
        'password_file = "p"\n'
    )
    with_device(file, Place(CUFF, "F8:33:31:00:11:22", "omron-hem9200t"))
    assert file.read_text().startswith("# ours\n")
    assert [each.id for each in read(file).devices] == [CUFF]
    for wrong in (
        Place(CUFF, "x", "omron-hem9200t"),
        Place("b", "f8:33:31:00:11:22", "omron-hem9200t"),
        Place("c", "y", "z"),
    ):
        with pytest.raises(SetupWrong):
            with_device(file, wrong)
