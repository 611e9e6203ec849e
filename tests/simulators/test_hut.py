"""A hut on a real broker: nothing leaves its outbox before the hub's receipt, whatever happens to the line."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pytest

from devices import pack, topics
from devices.base import DecodeError, Measurement
from devices.codecs import codec
from devices.identity import key
from devices.profile import profile
from simulators import equipment
from simulators.baseline import URGENT
from simulators.faults import Fault
from simulators.hut import DeviceDead, Hut
from simulators.journal import Journal
from simulators.line import Address, Line, LineRefused
from simulators.load import Account, load
from simulators.people import plan
from tests.conftest import needs, program

pytestmark = [pytest.mark.anyio, needs("mosquitto")]

PLAN = equipment.HUTS[0]
BP = "lh1-bp-1"
OWN = f"{topics.ROOT}/{PLAN.area}/{PLAN.gateway}"
CONFIG = """listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
max_packet_size 140000
max_queued_messages 0
log_type error
log_type information
connection_messages false
"""
# Test only, made with mosquitto_passwd: every account's password is "right".
ACL = f"""user hub
topic readwrite #

user {PLAN.gateway}
topic write {OWN}/#
topic read {OWN}/#
topic read linli/1/hub/state
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Address]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (tmp_path / "acl").write_text(ACL)
    (tmp_path / "passwords").touch(mode=0o600)
    for user in ("hub", PLAN.gateway):
        subprocess.run(["mosquitto_passwd", "-b", str(tmp_path / "passwords"), user, "right"], check=True)
    (tmp_path / "conf").write_text(CONFIG.format(port=port, folder=tmp_path) + "user root\n")
    command = [str(program("mosquitto")), "-c", str(tmp_path / "conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = next((line for line in server.stderr if line.endswith("running\n")), "")
        assert said, "mosquitto did not start"
        yield Address("127.0.0.1", port)
        server.terminate()


class Far:
    """The hub's end of the wire, no more than a test needs: it reads everything and gives receipts when told to."""

    def __init__(self, broker: Address) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.receipts = True
        self._news = asyncio.Event()
        self.line = Line(broker, "hub", "right", client_id="hub", on_message=self._arrived)

    def _arrived(self, topic: str, payload: bytes) -> None:
        self.seen.append((topic, payload))
        if self.receipts and topic.endswith("/pack"):
            envelope = pack.parse(payload)
            said = json.dumps({"boot": envelope.boot, "seq": envelope.seq}).encode()
            self.line.send(topics.receipt(PLAN.area, PLAN.gateway), said)
        self._news.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():
                self._news.clear()
                await self._news.wait()

    def envelopes(self) -> list[pack.Envelope]:
        return [pack.parse(payload) for topic, payload in self.seen if topic.endswith("/pack")]

    def states(self) -> list[str]:
        return [json.loads(payload)["s"] for topic, payload in self.seen if topic == f"{OWN}/state" and payload]


@asynccontextmanager
async def far_end(broker: Address) -> AsyncIterator[Far]:
    far = Far(broker)
    await far.line.open()
    await far.line.subscribe([f"{topics.ROOT}/#"])
    yield far
    await far.line.close()


def _hut(broker: Address, folder: Path, **how: object) -> Hut:
    number = count(1)
    outbox = Journal.open(folder / "outbox", lambda: f"b{next(number)}")
    return Hut(PLAN, "right", address=broker, journal=outbox, seed="linli-1", **how)  # type: ignore[arg-type]


def _reading(payload: bytes, model: str = "omron-hem9200t") -> Measurement:
    (found,) = codec("sig.2a35").decode(payload, profile(model))
    return found


async def _within(awaitable: Awaitable[object]) -> None:
    async with asyncio.timeout(10):
        await awaitable


async def test_a_grandmothers_reading_leaves_as_a_true_envelope_and_the_receipt_trims(
    broker: Address, tmp_path: Path
) -> None:
    demo = plan("linli-1", date(2026, 11, 22))
    grandmother = next(one for one in demo.communities[0].people if one.id == demo.cast.grandmother)
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        at = datetime(2026, 11, 22, 0, 5, tzinfo=UTC)
        sent = await hut.measure(BP, grandmother, at=at)
        urgent = await hut.measure(BP, URGENT, at=datetime(2026, 11, 22, 0, 9, tzinfo=UTC))
        await _within(hut.settled(urgent))
        assert hut.gateway.journal.pending() == []
        await hut.stop()
        await far.until(lambda: far.states()[-1:] == ["offline"])
    first, second = far.envelopes()[:2]
    assert (first.boot, first.seq, first.records[0].payload, first.records[0].at) == ("b1", 1, sent.payload, at)
    values = {value.code: value.text for value in _reading(second.records[0].payload).values}
    assert (values["sys"], values["dia"]) == ("186", "112")
    assert far.states()[0] == "online"
    birth = next(json.loads(payload) for topic, payload in far.seen if topic == f"{OWN}/birth")
    assert {"id": BP, "profile": "omron-hem9200t", "serial": "DEMO-LH1-BP-1", "firmware": "linli-sim-1"} in birth[
        "devices"
    ]


async def test_a_puback_does_not_trim_and_what_has_no_receipt_is_sent_again_on_the_next_line(
    broker: Address, tmp_path: Path
) -> None:
    async with far_end(broker) as far:
        far.receipts = False
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        sent = await hut.measure(BP, URGENT)
        await far.until(lambda: len(far.envelopes()) == 1)
        await hut.cut()
        await far.until(lambda: far.states()[-1:] == ["offline"])
        assert [entry.seq for entry in hut.gateway.journal.pending()] == [1]
        far.receipts = True
        await _within(hut.mend())
        await _within(hut.settled(sent))
        assert {(one.boot, one.seq) for one in far.envelopes()} == {("b1", 1)}
        assert len(far.envelopes()) == 2
        await hut.stop()


async def test_a_hut_that_was_killed_goes_on_where_its_outbox_stands(broker: Address, tmp_path: Path) -> None:
    outbox = Journal.open(tmp_path / "outbox", lambda: "b1")
    killed = Hut(PLAN, "right", address=broker, journal=outbox, seed="linli-1")
    for _ in range(3):
        await killed.measure(BP, URGENT)
    outbox.close()
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.settled())
        await _within(hut.settled(await hut.measure(BP, URGENT)))
        assert [(one.boot, one.seq) for one in far.envelopes()] == [("b1", 1), ("b1", 2), ("b1", 3), ("b1", 4)]
        await hut.stop()


async def test_a_flood_after_a_cut_brings_everything_with_its_own_time(broker: Address, tmp_path: Path) -> None:
    people = plan("linli-1", date(2026, 11, 22)).communities[0].people[:120]
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        sent = await hut.flood(BP, people)
        await _within(hut.settled(sent[-1]))
        await hut.stop()
    times = [_reading(one.records[0].payload).at for one in far.envelopes()]
    assert len(set(times)) == 120, "no device time comes twice, or the hub would see a conflict"


async def test_each_fault_of_the_line_does_what_it_names(broker: Address, tmp_path: Path) -> None:
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        await _within(hut.measure(BP, URGENT, fault=Fault.WRONG_TOPIC))
        assert hut.counts["refused"] == 1, "PUBACK 0x87: outside the gateway's rights"
        await _within(hut.measure(BP, URGENT, fault=Fault.OVERSIZED))
        await _within(hut.online())
        assert hut.counts["refused"] == 2, "the broker ends the line"
        await hut.measure(BP, URGENT, fault=Fault.DUPLICATE)
        await hut.measure(BP, URGENT, fault=Fault.UNKNOWN_DEVICE)
        await hut.measure(BP, URGENT, fault=Fault.CONFLICT)
        await _within(hut.settled(await hut.measure(BP, URGENT, fault=Fault.MALFORMED)))
        await _within(hut.settled(await hut.measure(BP, URGENT, fault=Fault.LINE_CUT_THEN_FLOOD)))
        await hut.stop()
    by_seq = {one.seq: one.records[0].payload for one in far.envelopes()}
    assert by_seq[1] == by_seq[2]
    assert any("/up/ghost-1/pack" in topic for topic, _ in far.seen)
    assert _reading(by_seq[4]).at == _reading(by_seq[3]).at
    assert by_seq[4] != by_seq[3]
    with pytest.raises(DecodeError):
        _reading(by_seq[5])
    assert sorted(by_seq) == list(range(1, 26)), "five entries before the cut, twenty with it"


async def test_a_dead_device_is_reported_and_measures_no_more(broker: Address, tmp_path: Path) -> None:
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        await _within(hut.die(BP))
        with pytest.raises(DeviceDead):
            await hut.measure(BP, URGENT)
        twin = topics.twin_reported(PLAN.area, PLAN.gateway, BP)
        await far.until(lambda: any(topic == twin for topic, _ in far.seen))
        await _within(hut.revive(BP))
        await _within(hut.settled(await hut.measure(BP, URGENT)))
        await hut.stop()


async def test_while_the_hub_says_it_is_offline_the_gateway_buffers(broker: Address, tmp_path: Path) -> None:
    async with far_end(broker) as far:
        await far.line.publish(topics.HUB_STATE, b'{"s":"offline"}', retain=True)
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        await hut.die("lh1-temp-1")  # a round trip: the retained state has arrived before this is acknowledged
        sent = await hut.measure(BP, URGENT)
        await hut.revive("lh1-temp-1")
        assert far.envelopes() == []
        await far.line.publish(topics.HUB_STATE, b'{"s":"online"}', retain=True)
        await _within(hut.settled(sent))
        await hut.stop()


async def test_a_wrong_password_is_said_in_words(broker: Address) -> None:
    line = Line(broker, PLAN.gateway, "wrong", client_id=PLAN.gateway)
    with pytest.raises(LineRefused, match="Not authorized"):
        await line.open()
    await line.close()


async def test_a_commanded_clock_is_set_and_anything_else_is_refused(broker: Address, tmp_path: Path) -> None:
    async with far_end(broker) as far:
        hut = _hut(broker, tmp_path)
        hut.start()
        await _within(hut.online())
        for id, name in (("c1", "sync-clock"), ("c2", "explode")):
            said = json.dumps({"name": name, "args": {}}).encode()
            await far.line.publish(topics.cmd(PLAN.area, PLAN.gateway, BP, id), said)
        done = {f"{OWN}/up/{BP}/done/{id}" for id in ("c1", "c2")}
        await far.until(lambda: done <= {topic for topic, _ in far.seen})
        await hut.stop()
    answers = {topic[-2:]: json.loads(payload)["ok"] for topic, payload in far.seen if topic in done}
    assert answers == {"c1": True, "c2": False}


async def test_the_oracle_holds_exactly_the_keys_that_were_acknowledged(broker: Address, tmp_path: Path) -> None:
    account = Account(PLAN.gateway, "right", PLAN.area, (BP, "lh1-bp-2"))
    async with far_end(broker) as far:
        oracle = tmp_path / "acked.jsonl"
        done = await load(broker, [account], rate=400, seconds=1.5, oracle=oracle, seed="1")
        await far.until(lambda: len(far.seen) >= 600)
    assert (done["offered"], done["acked"], done["outstanding"], done["oracle"]) == (600, 600, 0, 600)
    claimed = {json.loads(line)["key"] for line in oracle.read_text().splitlines()}
    arrived = set()
    for topic, payload in far.seen:
        parsed = topics.parse(topic)
        assert isinstance(parsed, topics.UpRaw)
        found = _reading(payload, "generic.sig.2a35")
        assert found.at is not None
        arrived.add(key(parsed.device, "bp", f"time|{found.at.isoformat()}|{found.context['user_index']}"))
    assert claimed == arrived
    assert len(claimed) == 600


async def test_what_the_hub_did_not_acknowledge_is_not_claimed(broker: Address, tmp_path: Path) -> None:
    """An account that may not publish here: every reading is refused, and the oracle stays empty. mosquitto
    2.0.11 ends the line after each refusal, a good test of the next one."""
    account = Account(PLAN.gateway, "right", "420800000000", (BP,))
    done = await load(broker, [account], rate=20, seconds=0.5, oracle=tmp_path / "acked.jsonl", seed="1")
    assert (done["refused"], done["acked"], done["oracle"]) == (10, 0, 0)
    assert (tmp_path / "acked.jsonl").read_text() == ""


async def test_the_load_goes_on_over_a_lost_line(broker: Address, tmp_path: Path) -> None:
    """Another client takes the session over: that line is lost, the next one sends what had no PUBACK."""
    account = Account(PLAN.gateway, "right", PLAN.area, (BP,))
    running = asyncio.create_task(load(broker, [account], rate=200, seconds=2, oracle=tmp_path / "o", seed="1"))
    async with far_end(broker) as far:
        await far.until(lambda: len(far.seen) > 50)
        thief = Line(broker, PLAN.gateway, "right", client_id=f"{PLAN.gateway}-load")
        await thief.open()
        await thief.lost.wait()
        await thief.close()
        done = await running
    assert done["outstanding"] == 0
    assert done["acked"] == 400
    assert int(str(done["reconnects"])) >= 1
