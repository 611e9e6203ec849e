"""What outlives the process: queues, identifiers in flight, subscriptions, retained messages and wills."""

from __future__ import annotations

import asyncio
import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.journal import Changes
from hub.broker.properties import Properties
from hub.broker.records import SubscriptionRecord, Table
from hub.broker.vault import Vault
from hub.clock import ManualClock
from hub.errors import Unavailable
from hub.uplink import Verdict
from tests.broker import killed
from tests.broker.lasting import SEAL, Lasting, back, depart
from tests.broker.rig import AREA, START, WAIT_S, up

pytestmark = pytest.mark.anyio
KEPT = Properties(session_expiry_s=3_600)
END = pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])


def asides(folder: Path) -> list[Path]:
    return [path for path in folder.glob("broker.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


STATE = f"linli/1/{AREA}/hut-1/state"


@END
@pytest.mark.parametrize("version", [4, 5])
async def test_what_waits_for_an_absent_subscriber_outlives_the_broker(
    tmp_path: Path, killed: bool, version: int
) -> None:
    last = Lasting(tmp_path / "broker.db")
    kept = KEPT if version == 5 else Properties()
    async with last.house(killed) as home:
        watcher = await home.client(version, "watch", clean=False, properties=kept)
        assert await watcher.subscribe("home/#", f"linli/1/{AREA}/hut-1/#") == (1, 1)
        await depart(watcher)
        for number in range(20):
            await home.broker.publish("home/x", b"%d" % number)
        hut = await home.client(5, "hut-1")
        said = Properties(user=(("boot", "b7"),), content_type="text/plain", response_topic="home/answer")
        assert await hut.publish(up(), b"reading", properties=said) == p.Puback(1)
        await home.broker.publish("home/x", b"qos 0 is not kept", qos=0)
    async with last.house() as home:
        watcher, present = await back(home, version=version, properties=kept)
        assert present
        got = [await watcher.message() for _ in range(21)]
        assert [each.payload for each in got] == [*(b"%d" % number for number in range(20)), b"reading"]
        assert not any(each.dup for each in got)
        if version == 5:
            assert (got[-1].properties.user, got[-1].properties.content_type) == ((("boot", "b7"),), "text/plain")
        await home.broker.publish("home/y", b"the subscription is there as well")
        assert (await watcher.message()).topic == "home/y"


@END
async def test_what_was_in_flight_is_repeated_at_once_with_its_identifier_and_in_order(
    tmp_path: Path, killed: bool
) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house(killed) as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#", qos=2)
        for number in range(10):
            await home.broker.publish("home/x", b"%d" % number, qos=1 + number % 2)
        sent = [await watcher.next() for _ in range(10)]
        answered = [each for each in sent if isinstance(each, p.Publish) and each.payload in (b"2", b"4")]
        await watcher.send(*(p.Puback(each.packet_id) for each in answered), p.Pingreq())
        assert await watcher.next() == p.Pingresp()
        await home.broker.publish("linli/1/hub/none", b"")  # the acknowledgements are on disk before the kill
    async with last.house() as home:
        watcher, present = await back(home, properties=KEPT)
        again = [await watcher.next() for _ in range(8)]
        left = [each for each in sent if each not in answered]
        # Messages of either QoS in their own order; both kinds do not wait for each other.
        for qos in (1, 2):
            got = [each for each in again if isinstance(each, p.Publish) and each.qos == qos]
            owed = [each for each in left if isinstance(each, p.Publish) and each.qos == qos]
            assert [(each.packet_id, each.payload) for each in got] == [(e.packet_id, e.payload) for e in owed]
            assert all(each.dup for each in got)
        assert present


@END
async def test_qos_2_to_a_subscriber_goes_on_where_it_stood(tmp_path: Path, killed: bool) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house(killed) as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#", qos=2)
        await home.broker.publish("home/x", b"once", qos=2)
        packet = await watcher.next()
        assert isinstance(packet, p.Publish)
        await watcher.send(p.Pubrec(packet.packet_id))
        assert await watcher.next() == p.Pubrel(packet.packet_id)
    async with last.house(killed) as home:
        watcher, _ = await back(home, properties=KEPT)
        assert await watcher.next() == p.Pubrel(packet.packet_id)  # and not the message a second time
        await watcher.send(p.Pubcomp(packet.packet_id), p.Pingreq())
        assert await watcher.next() == p.Pingresp()
        await home.broker.publish("home/none", b"x", retain=True)
    async with last.house() as home:
        watcher, _ = await back(home, properties=KEPT)
        await watcher.send(p.Pingreq())
        first = await watcher.next()
        assert isinstance(first, p.Publish)  # only what came after
        assert first.payload == b"x"


@END
async def test_qos_2_of_a_publisher_is_taken_once_over_a_restart(tmp_path: Path, killed: bool) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house(killed) as home:
        hut = await home.client(5, clean=False, properties=KEPT)
        await hut.send(p.Publish(up(), b"two", 2, packet_id=5), p.Publish(up(), b"three", 2, packet_id=6))
        assert [await hut.next(), await hut.next()] == [p.Pubrec(5), p.Pubrec(6)]
        await hut.send(p.Pubrel(6))
        assert await hut.next() == p.Pubcomp(6)
    async with last.house() as home:
        hut, present = await back(home, "hut-1", properties=KEPT)
        assert present
        await hut.send(p.Publish(up(), b"two", 2, dup=True, packet_id=5), p.Pubrel(5))
        assert [await hut.next(), await hut.next()] == [p.Pubrec(5), p.Pubcomp(5)]
        assert home.shelf.got == []
        await hut.send(p.Publish(up(), b"another", 2, packet_id=6))  # the identifier was free again
        assert await hut.next() == p.Pubrec(6)
        assert home.shelf.payloads == [b"another"]


async def test_a_full_window_of_qos_2_on_its_way_to_the_disk_is_no_flood(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db", limits=Limits(receive_maximum=3))
    async with last.house() as home:
        hut = await home.client(5, clean=False, properties=KEPT)
        for _ in range(2):
            await hut.send(*(p.Publish(up(), b"x", 2, packet_id=n) for n in (1, 2, 3)))
            assert [await hut.next() for _ in range(3)] == [p.Pubrec(n) for n in (1, 2, 3)]
            await hut.send(*(p.Pubrel(n) for n in (1, 2, 3)))
            assert [await hut.next() for _ in range(3)] == [p.Pubcomp(n) for n in (1, 2, 3)]


@END
async def test_what_is_retained_is_still_there(tmp_path: Path, killed: bool) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house(killed) as home:
        hut = await home.client()
        await hut.publish(STATE, b"online", retain=True)
        await hut.publish(f"linli/1/{AREA}/hut-1/birth", b"{}", 2, retain=True)
        await hut.publish(f"linli/1/{AREA}/hut-1/birth", b"", 3, retain=True)
        await home.broker.publish(f"linli/1/{AREA}/board", b"board", retain=True)
    async with last.house() as home:
        watcher = await home.client(name="watch")
        assert await watcher.subscribe(f"linli/1/{AREA}/hut-1/#", f"linli/1/{AREA}/board") == (1, 1)
        got = [await watcher.message() for _ in range(2)]
        assert {(each.topic, each.payload) for each in got} == {(STATE, b"online"), (got[1].topic, b"board")}
        assert all(each.retain for each in got)
        await watcher.send(p.Pingreq())
        assert await watcher.next() == p.Pingresp()


@pytest.mark.parametrize("away_s", [50, 61])
async def test_the_expiry_of_a_session_is_counted_over_restarts(tmp_path: Path, away_s: int) -> None:
    clock = ManualClock(START)
    last, kept = Lasting(tmp_path / "broker.db", clock), Properties(session_expiry_s=60)
    async with last.house() as home:
        watcher = await home.client(5, "watch", clean=False, properties=kept)
        await depart(watcher)
    for _ in range(2):  # the first half runs out before this boot, the second after it
        clock.set(clock.now() + timedelta(seconds=away_s / 2))
        async with last.house():
            pass
    async with last.house() as home:
        _, present = await back(home, properties=kept)
        assert present == (away_s < 60)


@pytest.mark.parametrize("away_s", [50, 70])
async def test_a_crash_ends_connections_when_the_broker_was_last_seen(tmp_path: Path, away_s: int) -> None:
    clock = ManualClock(START)
    last, kept = Lasting(tmp_path / "broker.db", clock), Properties(session_expiry_s=60)
    async with last.house(killed=True) as home:
        await home.client(5, "watch", clean=False, properties=kept)
        home.broker.journal.alive()  # type: ignore[union-attr]
    clock.set(clock.now() + timedelta(seconds=away_s))
    async with last.house() as home:
        _, present = await back(home, properties=kept)
        assert present == (away_s < 60)


async def test_a_message_expires_while_the_broker_is_away(tmp_path: Path) -> None:
    clock = ManualClock(START)
    last = Lasting(tmp_path / "broker.db", clock)
    async with last.house() as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#")
        await depart(watcher)
        sender = await home.client(5, "watch", client_id="c2")
        for number, expiry_s in enumerate((30, 100), 1):
            fading = Properties(message_expiry_s=expiry_s)
            await sender.publish(f"home/{number}", b"%d" % expiry_s, number, retain=True, properties=fading)
    clock.set(clock.now() + timedelta(seconds=40))
    async with last.house() as home:
        watcher, _ = await back(home, properties=KEPT)
        got = await watcher.message()
        assert (got.payload, got.properties.message_expiry_s) == (b"100", 60)
        fresh = await home.client(5, "watch", client_id="c3")
        await fresh.subscribe("home/#")
        got = await fresh.message()
        assert (got.payload, got.properties.message_expiry_s) == (b"100", 60)
        assert home.broker.retained.count == 2  # and the hub's own


async def test_puback_waits_for_the_queue_of_an_absent_subscriber(tmp_path: Path) -> None:
    clock = ManualClock(START)
    last = Lasting(tmp_path / "broker.db", clock)
    async with last.house(killed=True) as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe(f"linli/1/{AREA}/hut-1/up/bp-1/#")
        await depart(watcher)
        hut = await home.client()
        last.vault.full = True
        await hut.send(p.Publish(up(), b"owed", 1, packet_id=1), p.Publish(up(device="x"), b"free", 1, packet_id=2))
        await home.shelf.holds(2)
        other = await home.client(name="hut-2")
        assert await other.publish(up("hut-2"), b"a reading nobody waits for is not held up") == p.Puback(1)
        await hut.send(p.Pingreq())
        assert await hut.next() == p.Pingresp()  # no PUBACK stood before it
        assert home.broker.trouble == "The disk is full"
        last.vault.full = False
        clock.advance(1)
        assert [await hut.next(), await hut.next()] == [p.Puback(1), p.Puback(2)]
    async with last.house() as home:
        watcher, _ = await back(home, properties=KEPT)
        assert (await watcher.message()).payload == b"owed"


async def test_what_was_not_acknowledged_may_be_lost_but_is_never_half_there(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db", ManualClock(START))
    async with last.house(killed=True) as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#")
        await depart(watcher)
        sender = await home.client(5, "watch", client_id="c2", clean=False, properties=KEPT)
        last.vault.full = True
        await sender.send(p.Publish("home/x", b"1", 2, packet_id=1))
        await home.shelf.holds(1)
    async with last.house() as home:
        sender, _ = await back(home, client_id="c2", properties=KEPT)
        await sender.send(p.Publish("home/x", b"1", 2, dup=True, packet_id=1), p.Pubrel(1))
        assert [await sender.next(), await sender.next()] == [p.Pubrec(1), p.Pubcomp(1)]
        assert home.shelf.payloads == [b"1"]  # neither its identifier nor the message was known
        watcher, _ = await back(home, properties=KEPT)
        assert (await watcher.message()).payload == b"1"
        await watcher.send(p.Pingreq())
        assert await watcher.next() == p.Pingresp()


async def test_a_board_goes_out_while_the_disk_refuses(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db", ManualClock(START))
    board = f"linli/1/{AREA}/board"
    async with last.house(killed=True) as home, asyncio.timeout(WAIT_S):
        screen = await home.client(5, "screen-1", clean=False, properties=KEPT)
        await screen.subscribe(board)
        last.vault.full = True
        await home.broker.publish(board, b"take cover", retain=True)
        assert (await screen.message()).payload == b"take cover"
        await home.broker.publish(board, b"all clear", retain=True)
        assert (await screen.message()).payload == b"all clear"
        late, _ = await back(home, "screen-1", client_id="late", properties=KEPT)
        await late.subscribe(board)
        assert (await late.message()).payload == b"all clear"


async def test_receipts_cost_no_commit(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house() as home:
        hut = await home.client(5, clean=False, properties=KEPT)
        await hut.subscribe(f"linli/1/{AREA}/hut-1/receipt", f"linli/1/{AREA}/hut-1/dn/#")
        journal = home.broker.journal
        assert journal is not None
        before = journal.commits
        await home.broker.publish(f"linli/1/{AREA}/hut-1/receipt", b"{}")
        assert (await hut.message()).payload == b"{}"
        assert await hut.publish(up(), b"a reading") == p.Puback(1)
        assert journal.commits == before
        await home.broker.publish(f"linli/1/{AREA}/hut-1/dn/bp-1/cmd/1", b"{}")
        assert journal.commits == before + 1


@pytest.mark.parametrize("expiry_s", [0, 3_600])
async def test_a_will_that_a_crash_has_cut_off_is_published_after_the_restart(tmp_path: Path, expiry_s: int) -> None:
    clock = ManualClock(START)
    last = Lasting(tmp_path / "broker.db", clock)
    kept = Properties(session_expiry_s=expiry_s)
    will = p.Will(STATE, b"offline", 1, True, Properties(will_delay_s=50 if expiry_s else 0))
    async with last.house(killed=True) as home:
        hut = await home.client(will=will, properties=kept)
        await home.client(client_id="c2", will=p.Will(STATE, b"c2 comes back", 1), properties=kept)
        polite = await home.client(client_id="c3", will=p.Will(STATE, b"said goodbye", 1))
        await polite.send(p.Disconnect())
        assert await polite.next() is None
        await hut.publish(STATE, b"online", retain=True)
    async with last.house() as home:
        clock.advance(25)
        await back(home, "hut-1", client_id="c2", properties=kept)
        assert home.shelf.got == []
        clock.advance(30)
        (uplink,) = await home.shelf.holds(1)
        assert (uplink.payload, uplink.retain, uplink.account) == (b"offline", True, "hut-1")
        watcher = await home.client(name="watch")
        await watcher.subscribe(STATE)
        assert (await watcher.message()).payload == b"offline"
    async with last.house() as home:
        clock.advance(100)
        await home.client()
        assert home.shelf.got == []  # once


async def test_a_delayed_will_keeps_its_hour_over_a_restart(tmp_path: Path) -> None:
    clock = ManualClock(START)
    last = Lasting(tmp_path / "broker.db", clock)
    async with last.house(killed=True) as home:
        will = p.Will(STATE, b"offline", 1, True, Properties(will_delay_s=300))
        hut = await home.client(will=will, properties=KEPT)
        await hut.vanish()
        await home.shelf.until(lambda: len(home.shelf.links) == 2)
    clock.set(clock.now() + timedelta(seconds=100))
    async with last.house() as home:
        clock.advance(150)
        await home.client(name="hut-2")
        assert home.shelf.got == []
        clock.advance(51)
        assert (await home.shelf.holds(1))[0].payload == b"offline"


async def test_a_revoked_account_has_no_session_after_the_restart_either(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house() as home:
        away = await home.client(5, "watch", clean=False, properties=KEPT)
        await away.subscribe("home/#")
        await depart(away)
        await home.client(5, "watch", client_id="c2", clean=False, properties=KEPT)
        await home.broker.publish("home/x", b"secret")
        await home.broker.cut("watch")
    async with last.house() as home:
        assert home.broker.sessions == 0
        for client_id in ("c1", "c2"):
            assert not (await back(home, client_id=client_id, properties=KEPT))[1]


async def test_rights_that_shrank_while_the_broker_was_away_end_old_subscriptions(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house() as home:
        away = await home.client(5, "watch", clean=False, properties=KEPT)
        await away.subscribe("home/#", up())
    async with last.house() as home:
        account = home.book.accounts["watch"]
        home.book.accounts["watch"] = type(account)("watch", "integrator", (), ("home/#",))
        watcher, present = await back(home, properties=KEPT)
        assert present
        hut = await home.client(client_id="hut")
        await hut.publish(up(), b"not for you")
        await home.broker.publish("home/x", b"for you")
        assert (await watcher.message()).payload == b"for you"


async def test_a_retained_message_that_a_restart_kept_from_a_fresh_subscriber_still_comes(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    one = Properties(session_expiry_s=3_600, receive_maximum=1)
    async with last.house(killed=True) as home:
        for number in range(5):
            await home.broker.publish(f"home/{number}", b"state", retain=True)
        watcher = await home.client(5, "watch", clean=False, properties=one)
        await watcher.subscribe("home/#")
        assert isinstance(await watcher.next(), p.Publish)
    async with last.house() as home:
        watcher, _ = await back(home, properties=KEPT)
        seen: set[str] = set()
        while len(seen) < 5:
            seen.add((await watcher.message()).topic)
    async with last.house() as home:
        watcher, _ = await back(home, properties=KEPT)
        await watcher.send(p.Pingreq())
        assert await watcher.next() == p.Pingresp()  # and not once more


async def test_a_damaged_file_is_kept_aside_and_what_can_be_read_is_rescued(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broker.db"
    last = Lasting(path)
    async with last.house() as home:
        for number in range(200):
            await home.broker.publish(f"home/{number}", bytes(1_000), retain=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    async with last.house() as home:
        assert 150 < home.broker.retained.count < 201
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == bytes(data)
    assert "kept aside" in caplog.text
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    async with last.house() as home:
        assert home.broker.retained.count == 1
        client = await home.client()
        assert await client.publish(up(), b"on we go") == p.Puback(1)
    assert len(asides(tmp_path)) == 2


async def test_payloads_are_sealed_on_disk(tmp_path: Path) -> None:
    last = Lasting(tmp_path / "broker.db")
    async with last.house() as home:
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#")
        await depart(watcher)
        await home.broker.publish("home/x", b"sys=151;dia=93", retain=True)
        assert not any(b"151" in each for each in contents(tmp_path))


async def test_two_brokers_cannot_share_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.broker.vault.BUSY_S", 0.0)
    last = Lasting(tmp_path / "broker.db")
    async with last.house():
        with pytest.raises(Unavailable):
            async with Lasting(tmp_path / "broker.db").house():
                pass


async def test_a_repeat_that_the_hub_knows_already_still_reaches_subscribers_once(tmp_path: Path) -> None:
    """Killed between the hub's commit and ours: to the hub the repetition is a duplicate, but nobody has got it yet."""
    last = Lasting(tmp_path / "broker.db")
    async with last.house() as home:
        home.shelf.settling = False
        watcher = await home.client(5, "watch", clean=False, properties=KEPT)
        await watcher.subscribe("home/#", qos=2)
        sender = await home.client(5, "watch", client_id="c2", clean=False, properties=KEPT)
        await sender.send(p.Publish("home/x", b"1", 2, dup=True, packet_id=1))
        (await home.shelf.holds(1))[0].settle(Verdict.DUPLICATE)
        assert isinstance(got := await watcher.next(), p.Publish)
        assert got.payload == b"1"


async def test_nothing_acknowledged_is_lost_and_no_qos_2_is_doubled_by_kill_nine(tmp_path: Path) -> None:
    """The short form of `python -m tests.broker.killed --kills 100`; LINLI_TEST_LONG=1 runs fifty kills here."""
    kills = 50 if os.environ.get("LINLI_TEST_LONG") == "1" else 4
    figures = await killed.run(tmp_path, kills=kills, seed=7)
    print(figures)
    assert figures.kills == kills
    assert min(figures.acknowledged_before) >= 40, "a test in which little happened proves little"
    assert any(figures.in_flight), "no kill met a message on its way"
    assert any(figures.owed), "no kill met a message that was owed"
    assert (figures.lost, figures.doubled) == (0, 0), figures
    assert figures.got >= figures.acknowledged > 40 * kills


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("keep"), st.integers(1, 4), st.integers(0, 9)),
            st.tuples(st.just("drop"), st.integers(1, 4), st.just(0)),
            st.tuples(st.just("end"), st.integers(1, 4), st.just(0)),
            st.tuples(st.just("commit"), st.just(0), st.just(0)),
            st.tuples(st.just("reopen"), st.just(0), st.just(0)),
        ),
        max_size=25,
    )
)
def test_the_file_holds_what_the_changes_said_whatever_their_order(steps: list[tuple[str, int, int]]) -> None:
    """Subscriptions of four sessions against a dictionary; what was not committed is gone after a reopening."""
    with tempfile.TemporaryDirectory() as folder:
        vault, changes = Vault(Path(folder) / "broker.db", SEAL), Changes()
        on_disk = dict(vault.open(0.0)[Table.SUBSCRIPTION])
        wanted = dict(on_disk)
        for what, session, qos in steps:
            key = (session, f"home/{qos % 3}")
            record = SubscriptionRecord(p.Subscription(f"home/{qos % 3}", qos % 3))
            if what == "keep":
                changes.keep(Table.SUBSCRIPTION, key, record, fresh=key not in wanted and key not in on_disk)
                wanted[key] = record
            elif what == "drop" and key in wanted:
                changes.drop(Table.SUBSCRIPTION, key)
                del wanted[key]
            elif what == "end":
                changes.end(session)
                wanted = {each: kept for each, kept in wanted.items() if each[0] != session}  # type: ignore[index]
            elif what == "commit":
                vault.write(changes)
                changes, on_disk = Changes(), dict(wanted)
            elif what == "reopen":
                vault.close()
                changes, wanted = Changes(), dict(on_disk)
                assert vault.open(0.0)[Table.SUBSCRIPTION] == on_disk
        vault.close()
        assert vault.open(0.0)[Table.SUBSCRIPTION] == on_disk
        vault.close()
