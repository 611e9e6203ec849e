"""Another system is told once of what stands on disk, or its operator can see why not and tell it again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from channels import webhook_net
from channels.apprise import Apprise
from channels.base import Accepted, AddressGone, Dead, Outcome, Retry
from hub import backoff
from hub.bus import Bus
from hub.civic import webhooks
from hub.civic.webhooks import book, carrier
from hub.civic.webhooks.book import Wish
from hub.civic.webhooks.kinds import KINDS
from hub.civic.webhooks.models import Happening, Subscription, Telling
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.errors import LinliError, NotAllowed, NotFound, Refused
from hub.events import NoticeReleased
from hub.module import load_tables
from hub.rng import SeededRng
from simulators.webhook_receiver import ReceiverSim, running
from tests import world
from tests.world import LIUHE, START, TAYING

pytestmark = pytest.mark.anyio
HOME = webhook_net.networks("127.0.0.1/32")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    load_tables()
    world.wire(bus := Bus(), (webhooks.MODULE,))
    made = world.make_store(tmp_path, clock=ManualClock(START), bus=bus)
    made.write_now(world.people)
    yield made
    made.close()


def subscribed(store: Store, url: str, area: str = LIUHE, **changes: Any) -> tuple[Subscription, str]:
    operator = world.staff(store, "s-operator")
    wish = Wish("12345 热线", url, changes.get("kinds", ("notice.released",)), area)
    return store.write_now(lambda tx: book.subscribe(tx, operator, wish, HOME))


def released(tx: Tx, area: str = LIUHE) -> str:
    return tx.emit(NoticeReleased, notice="n-1", revision=1, priority="urgent", areas=(area,)).id


def tellings(store: Store) -> list[Telling]:
    return store.read_now(lambda read: list(read.session.execute(select(Telling)).scalars()))


async def carry(store: Store) -> None:
    house: Any = SimpleNamespace(store=store, clock=store.clock, config={})
    async with webhook_net.client(HOME) as net:
        while await carrier.tell(house, net, Apprise(HOME)):
            pass


async def test_a_receiver_hears_once_signed_and_nobody_s_data(store: Store) -> None:
    sim = ReceiverSim(now=store.clock.now)
    async with running(sim) as url:
        _made, sim.secret = subscribed(store, f"{url}/hook")
        ident = store.write_now(released)
        await carry(store)
        await carry(store)
    [heard] = sim.inbox
    assert sim.refused == []
    assert (heard["id"], heard["type"], heard["subject"]) == (ident, "org.linli.notice.released.v1", "n-1")
    assert heard["data"] == {"notice": "n-1", "revision": 1, "priority": "urgent", "areas": [LIUHE]}
    assert [each.state for each in tellings(store)] == ["told"]


async def test_what_was_rolled_back_is_never_told_and_another_place_hears_nothing(store: Store) -> None:
    subscribed(store, "https://hooks.example/a")
    with pytest.raises(RuntimeError):
        store.write_now(_fails)
    store.write_now(lambda tx: released(tx, TAYING))
    assert tellings(store) == []
    store.write_now(lambda tx: released(tx, world.CITY))
    assert len(tellings(store)) == 1


def _fails(tx: Tx) -> None:
    released(tx)
    raise RuntimeError("the transaction ends here")


async def test_a_receiver_that_is_down_is_tried_later_and_what_it_refuses_can_be_told_again(store: Store) -> None:
    sim = ReceiverSim(now=store.clock.now, answer=500)
    clock = store.clock
    assert isinstance(clock, ManualClock)
    operator = world.staff(store, "s-operator")
    async with running(sim) as url:
        made, sim.secret = subscribed(store, f"{url}/hook")
        store.write_now(released)
        await carry(store)
        assert [(each.state, each.attempts) for each in tellings(store)] == [("waiting", 1)]
        await carry(store)
        assert sim.calls == 1, "not before its time"
        sim.answer = 302
        clock.advance(10)
        await carry(store)
        assert [(each.state, each.code) for each in tellings(store)] == [("dead", "http 302")]
        sim.answer = 204
        assert store.write_now(lambda tx: book.replay(tx, operator, made.id)) == 1
        await carry(store)
    assert [each.state for each in tellings(store)] == ["told"]
    assert len(sim.inbox) == 1


async def test_a_worker_that_dies_lets_go_and_its_late_word_changes_nothing(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, ManualClock)
    subscribed(store, "https://hooks.example/a")
    store.write_now(released)
    first = store.write_now(book.claim)
    assert store.write_now(book.claim) == []
    clock.advance(book.LEASE_S + 1)
    second = store.write_now(book.claim)
    assert [each.happening for each in second] == [each.happening for each in first]
    store.write_now(lambda tx: book.settle(tx, [(first[0], Dead("late"))]))
    assert [each.state for each in tellings(store)] == ["waiting"]
    store.write_now(lambda tx: book.settle(tx, [(second[0], Accepted(""))]))
    assert [each.state for each in tellings(store)] == ["told"]


async def test_gone_is_heeded_and_a_pause_loses_nothing(store: Store) -> None:
    operator = world.staff(store, "s-operator")
    made, _secret = subscribed(store, "https://hooks.example/a")
    store.write_now(lambda tx: book.turn(tx, operator, made.id, "paused"))
    store.write_now(released)
    assert store.write_now(book.claim) == []
    store.write_now(lambda tx: book.turn(tx, operator, made.id, "active"))
    [taken] = store.write_now(book.claim)
    store.write_now(lambda tx: book.settle(tx, [(taken, AddressGone("no longer wants it"))]))
    store.write_now(released)
    assert [each.state for each in tellings(store)] == ["dead"]


@pytest.mark.parametrize(
    ("who", "changes", "refusal"),
    [
        ("s-operator", {"url": "http://192.168.0.1/"}, Refused),
        ("s-operator", {"url": "https://x.example/", "kinds": ("everything",)}, Refused),
        ("s-staff", {"url": "https://x.example/"}, NotAllowed),
    ],
)
def test_who_may_not_or_means_nothing_opens_no_way_out(
    store: Store, who: str, changes: dict[str, Any], refusal: type[LinliError]
) -> None:
    by = world.staff(store, who)
    wish = Wish("x", changes["url"], changes.get("kinds", ("notice.released",)), LIUHE)
    with pytest.raises(refusal):
        store.write_now(lambda tx: book.subscribe(tx, by, wish, HOME))
    made, _secret = subscribed(store, "https://hooks.example/a")
    with pytest.raises(NotFound):
        store.write_now(lambda tx: book.remove(tx, world.staff(store, "s-staff"), made.id))


def test_the_secret_and_the_address_are_sealed_and_in_no_repr(store: Store) -> None:
    made, secret = subscribed(store, "https://hooks.example/a?token=geheim")
    with store.engine.connect() as connection:
        row = str(connection.exec_driver_sql("SELECT * FROM webhooks_subscription").all())
    store.write_now(released)
    [taken] = store.write_now(book.claim)
    for said in (row, repr(taken)):
        assert secret not in said
        assert "geheim" not in said
    assert made.host == "hooks.example"


@given(st.lists(st.sampled_from([Accepted(""), Retry(None, "down"), Retry(900.0, "slow"), Dead("no")]), max_size=14))
@settings(max_examples=40, deadline=None)
def test_tries_grow_apart_end_and_settle_for_good(outcomes: list[Outcome]) -> None:
    row = Telling(happening="e", subscription="s", state="waiting", due=START)
    now, rng, waits = START, SeededRng("w"), []
    for outcome in outcomes:
        if row.state != "waiting":
            break
        row.attempts += 1
        book.after(row, outcome, now, rng)
        if row.state == "waiting":
            waits.append(row.due - now)
            now = row.due
    assert row.attempts <= book.ATTEMPTS_MAX
    assert all(wait >= timedelta(seconds=backoff.FIRST_S * backoff.FACTOR**place) for place, wait in enumerate(waits))
    assert row.state == "waiting" or row.settled_at is not None
    assert (row.state == "told") == (bool(outcomes) and isinstance(outcomes[row.attempts - 1], Accepted))


def test_no_kind_carries_a_person() -> None:
    personal = {"resident", "person", "household", "owner", "title", "text", "name", "actor", "on_behalf_of"}
    assert not {name for kind in KINDS for name in kind.fields} & personal
    for kind in KINDS:
        assert set(kind.fields) <= set(kind.event.__dataclass_fields__)


def test_old_tellings_are_forgotten(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, ManualClock)
    subscribed(store, "https://hooks.example/a")
    store.write_now(released)
    [taken] = store.write_now(book.claim)
    store.write_now(lambda tx: book.settle(tx, [(taken, Accepted(""))]))
    clock.advance(book.KEPT_TOLD.total_seconds() + 1)
    store.write_now(book.prune)
    assert tellings(store) == []
    assert store.read_now(lambda read: len(read.session.execute(select(Happening)).all())) == 0
