"""A board ends where its reader's areas end: pages, live topics, the table of readings, and what is dealt with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import topics
from hub import directory
from hub.access import Grant, Subject, covers
from hub.civic.operations import MODULE, cards, scope, setaside
from hub.errors import NotFound
from hub.feed import Watcher
from hub.uplink import Uplink
from tests.operations.opsrig import CANARY, HUT, OTHER, PERMISSIONS, Ops, token
from tests.world import CITY, DISTRICT, LIUHE, STREET, TAYING, until

LONGQUAN = "420802001000"
PATHS = {
    "": "",
    CITY: CITY,
    DISTRICT: f"{CITY}/{DISTRICT}",
    STREET: f"{CITY}/{DISTRICT}/{STREET}",
    LONGQUAN: f"{CITY}/{DISTRICT}/{LONGQUAN}",
    LIUHE: f"{CITY}/{DISTRICT}/{STREET}/{LIUHE}",
    TAYING: f"{CITY}/{DISTRICT}/{LONGQUAN}/{TAYING}",
}
SCOPED = [topic for topic in MODULE.topics if topic.name not in (cards.FLOW, cards.ALARM)]
THERE = {HUT: PATHS[LIUHE], OTHER: PATHS[TAYING]}


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ops]:
    made = Ops(tmp_path_factory.mktemp("scope"))
    made.act(lambda tx: directory.hire(tx, "s-longquan", "赵晴", "p-zhao", [("operator", LONGQUAN)]))
    made.act(lambda tx: directory.hire(tx, "s-quankou", "钱雪", "p-qian", [("operator", STREET)]))
    made.busy_day()
    made.send(from_taying(made, CANARY), from_taying(made, b"\x07"))
    yield made
    made.store.close()


def from_taying(ops: Ops, payload: bytes) -> Uplink:
    topic = topics.up(TAYING, OTHER, "bp-2", "sig.2a35")
    return Uplink(account=OTHER, topic=topic, payload=payload, received=ops.clock.now(), settle=lambda verdict: None)


@asynccontextmanager
async def desk(ops: Ops, who: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=ops.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as made:
        made.cookies.set("linli_staff", token(ops, who))
        yield made


def read(ops: Ops, who: str, *paths: str) -> list[httpx.Response]:
    async def go() -> list[httpx.Response]:
        async with desk(ops, who) as http:
            return [await http.get(path) for path in paths]

    return asyncio.run(go())


def deal(ops: Ops, who: str, ident: str, **form: str) -> int:
    async def go() -> int:
        async with desk(ops, who) as http:
            csrf = (await http.get("/operate")).text.split('name="linli-csrf" content="')[1].split('"')[0]
            path = f"/operate/quarantine/{ident}/seen"
            answer = await http.post(path, data={"csrf": csrf, **form}, headers={"origin": "http://127.0.0.1"})
            return answer.status_code

    return asyncio.run(go())


def key_of(name: str, within: str, hut: str = HUT) -> str:
    if name == cards.RECENT:
        return cards.plot_key("24h", within)
    return f"{within}|{hut}" if name == cards.HUT else within


def test_a_board_shows_only_what_lies_below_the_operator(ops: Ops) -> None:
    board, own, foreign, table, foreign_table = read(
        ops,
        "s-longquan",
        *("/operate", f"/operate/huts/{OTHER}", f"/operate/huts/{HUT}"),
        *("/operate/readings", "/operate/readings?device=bp-1"),
    )
    assert OTHER in board.text
    assert HUT not in board.text
    assert "ghost" not in board.text, "a frame set aside elsewhere is nobody's business here"
    assert (own.status_code, foreign.status_code) == (200, 404)
    assert "bp-2" in table.text
    assert "bp-1" not in table.text
    assert HUT not in foreign_table.text
    whole = read(ops, "s-operator", "/operate", "/operate/readings")
    assert all(word in whole[0].text for word in (HUT, OTHER, "ghost"))
    assert all(word in whole[1].text for word in ("bp-1", "bp-2"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.lists(st.sampled_from(sorted(PATHS.values())), max_size=3),
    asked=st.lists(st.sampled_from(sorted(PATHS.values())), min_size=1, max_size=2),
)
def test_a_topic_is_granted_exactly_within_ones_areas_and_tells_of_nothing_else(
    ops: Ops, held: list[str], asked: list[str]
) -> None:
    who = Subject("s", "staff", tuple(Grant("operator", path) for path in held), permissions=PERMISSIONS)
    due = all(any(covers(path, part) for path in held) for part in asked)
    within = scope.Scope(tuple(asked)).key
    for topic in SCOPED:
        assert topic.allow(who, key_of(topic.name, within)) is due, topic.name
    assert scope.of(who).key == "" or scope.allows(who, scope.of(who).key)
    for name in (cards.HUTS, cards.DEVICES, cards.WORK):
        html = ops.draw(f"{name}:{within}")
        for hut, path in THERE.items():
            if not any(covers(part, path) for part in asked):
                assert hut not in html, f"{name} of {asked}"


def test_a_hut_is_not_found_under_another_areas_name(ops: Ops) -> None:
    who = ops.subject("s-longquan")
    topic = f"{cards.HUT}:{PATHS[TAYING]}|{HUT}"
    assert ops.feed.may_watch(who, topic), "the name alone is within her areas"

    async def go() -> None:
        watcher = Watcher("zh")
        with pytest.raises(NotFound):
            await ops.feed.watch(watcher, topic)
        assert topic not in ops.feed.watched()

    asyncio.run(go())


def test_a_cut_line_is_at_once_on_the_boards_of_its_area_and_above_and_on_no_other(ops: Ops) -> None:
    async def go() -> None:
        boards = {area: f"{cards.HUTS}:{PATHS[area]}" for area in (CITY, STREET, LIUHE, LONGQUAN, TAYING)}
        watchers = {area: Watcher("zh") for area in boards}
        for area, topic in boards.items():
            await ops.feed.watch(watchers[area], topic)
            watchers[area].take()
        drawn: list[str] = []
        ops.feed.observers.append(lambda topic, viewers, events: drawn.append(topic))
        ops.say(HUT, LIUHE, "offline")
        async with asyncio.timeout(20):
            await until(lambda: {boards[CITY], boards[STREET], boards[LIUHE]} <= set(drawn))
        assert {boards[LONGQUAN], boards[TAYING]} & set(drawn) == set()
        ops.say(HUT, LIUHE, "online")
        for watcher in watchers.values():
            ops.feed.leave(watcher)
        ops.feed.observers.clear()

    asyncio.run(go())


def test_a_frame_of_elsewhere_is_not_there_to_be_dealt_with(ops: Ops) -> None:
    theirs = {row.id for row in ops.quarantined() if row.area == TAYING}
    ours = {row.id for row in ops.quarantined() if row.area == LIUHE}
    assert theirs
    assert ours
    for ident in ours:
        assert deal(ops, "s-longquan", ident) == 404
        assert deal(ops, "s-longquan", ident, all_before="yes") == 404
    assert not any(row.seen for row in ops.quarantined())
    newest = max(theirs, key=lambda ident: next(row.at for row in ops.quarantined() if row.id == ident))
    assert deal(ops, "s-longquan", newest, all_before="yes") == 303
    assert {row.id for row in ops.quarantined() if row.seen} == theirs, "all before it, and only of her own areas"


def test_with_areas_apart_one_board_tells_of_both(ops: Ops) -> None:
    who = Subject(
        "s", "staff", (Grant("operator", PATHS[LIUHE]), Grant("operator", PATHS[TAYING])), permissions=PERMISSIONS
    )
    within = scope.of(who)
    assert scope.parse(within.key) == within
    html = ops.draw(f"{cards.HUTS}:{within.key}")
    assert HUT in html
    assert OTHER in html
    inner = Subject(
        "s", "staff", (Grant("operator", PATHS[LIUHE]), Grant("staff", PATHS[STREET])), permissions=PERMISSIONS
    )
    assert scope.of(inner).paths == (PATHS[STREET],)
    assert scope.of(inner, scope.ACT).paths == (PATHS[LIUHE],), "who may look further may not act further"


def test_what_is_seen_without_a_scope_is_nothing(ops: Ops) -> None:
    def work(tx: object) -> None:
        setaside.see(tx, scope.Scope(()), ops.quarantined()[0].id)  # type: ignore[arg-type]

    with pytest.raises(NotFound):
        ops.act(work)
