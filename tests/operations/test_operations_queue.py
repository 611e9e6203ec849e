"""The queue under hands: who has what, what was put off, what can be taken back, and storms folded into one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import breaker, directory, login
from hub.access import Subject
from hub.civic.operations import acts, cluster, jobs, work
from hub.civic.operations.board import Line, Place
from hub.civic.operations.scope import WHOLE
from hub.errors import Conflict, NotFound
from hub.quota import Limits
from tests.operations.opsrig import HUT, OTHER, Ops, token
from tests.world import CITY, LIUHE, START, TAYING

LOST = f"place/{OTHER}/offline"


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path)
    made.busy_day()
    yield made
    made.store.close()


def queue(ops: Ops) -> work.Queue:
    return ops.store.read_now(lambda read: work.look(read, WHOLE))


def found(ops: Ops, key: str) -> work.Task:
    return ops.store.read_now(lambda read: work.one(read, WHOLE, key))


def test_what_somebody_took_says_who_since_when_and_stands_behind(ops: Ops) -> None:
    who = ops.subject()
    first = queue(ops).tasks[0]
    assert first.key == LOST
    assert first.held is None
    ops.act(lambda tx: acts.acknowledge(tx, who, LOST, TAYING))
    ops.act(lambda tx: acts.assign(tx, who, LOST, TAYING, who.id))
    held = found(ops, LOST).held
    assert held is not None
    assert held.owner.startswith("吴")
    assert held.acked_at == ops.clock.now()
    assert "吴霜" not in ops.draw("operations.work:all"), "a colleague is called by a masked name"


def test_what_is_put_off_comes_back_by_itself(ops: Ops) -> None:
    ops.act(lambda tx: acts.snooze(tx, ops.subject(), LOST, TAYING, 30))
    assert LOST not in {task.key for task in queue(ops).tasks}
    assert [task.key for task in queue(ops).later] == [LOST]
    before = ops.store.read_now(lambda read: jobs._digests(read, {"all"}))
    ops.clock.advance(30 * 60 + 1)
    assert queue(ops).tasks[0].key == LOST
    assert ops.store.read_now(lambda read: jobs._digests(read, {"all"}))["all"][0] != before["all"][0], "it is redrawn"


def test_an_act_is_taken_back_within_fifteen_seconds_and_not_later(ops: Ops) -> None:
    who = ops.subject()
    ops.act(lambda tx: acts.acknowledge(tx, who, LOST, TAYING))
    act = ops.act(lambda tx: acts.assign(tx, who, LOST, TAYING, who.id))
    ops.clock.advance(14)
    ops.act(lambda tx: acts.undo(tx, who, act.id))
    held = found(ops, LOST).held
    assert held is not None
    assert (held.owner, held.acked_by != "") == ("", True), "only the last act is taken back"
    late = ops.act(lambda tx: acts.snooze(tx, who, LOST, TAYING, 30))
    ops.clock.advance(16)
    with pytest.raises(Conflict):
        ops.act(lambda tx: acts.undo(tx, who, late.id))
    with pytest.raises(NotFound):
        ops.act(lambda tx: acts.undo(tx, Subject(id="s-else", kind="staff"), late.id))


def test_a_hold_ends_with_its_trouble(ops: Ops) -> None:
    ops.act(lambda tx: acts.acknowledge(tx, ops.subject(), LOST, TAYING))
    ops.say(OTHER, TAYING, "online")
    standing = ops.store.read_now(lambda read: [task.key for task in work.every(read, WHOLE)])
    assert ops.act(lambda tx: acts.forget(tx, standing)) == 1
    ops.say(OTHER, TAYING, "offline")
    assert found(ops, LOST).held is None, "the same trouble again is news again"


def test_the_provider_line_moves_the_digest(ops: Ops) -> None:
    before = ops.store.read_now(lambda read: jobs._digests(read, {"all"}))
    ops.act(lambda tx: breaker.begin(tx, "sms", Limits(None, None, 0)))
    after = ops.store.read_now(lambda read: jobs._digests(read, {"all"}))
    assert before["all"][0] != after["all"][0], "a provider's state is drawn anew while the page is open"


def test_acts_need_the_role_the_area_and_the_thing(ops: Ops) -> None:
    async def go(ident: str, key: str) -> int:
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            http.cookies.set("linli_staff", token(ops, ident))
            page = await http.get("/operate")
            mark = page.text.partition('name="linli-csrf" content="')[2].partition('"')[0]
            answer = await http.post("/operate/act", data={"csrf": mark, "key": key, "do": "ack"})
            return answer.status_code

    assert asyncio.run(go("s-operator", LOST)) == 303
    assert asyncio.run(go("s-staff", LOST)) == 403
    assert asyncio.run(go("s-operator", "place/nowhere/offline")) == 404
    held = found(ops, LOST).held
    assert held is not None
    assert held.acked_by


def test_of_two_at_once_the_second_is_told_who_was_quicker(ops: Ops) -> None:
    ops.act(lambda tx: directory.hire(tx, "s-second", "钱雨", "p-qian", [("operator", CITY)]))
    page = press(ops, "s-operator", {})[1]
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None
    wish = {"key": LOST, "seen": seen.group(1)}
    assert press(ops, "s-operator", {**wish, "do": "take"})[0] == 303
    status, told = press(ops, "s-second", {**wish, "do": "take"})
    assert status == 409
    assert "吴**抢先一步：接手。" in told
    held = found(ops, LOST).held
    assert held is not None
    assert held.owner.startswith("吴"), "who was first keeps it"
    assert press(ops, "s-second", {**wish, "do": "comment", "said": "also here"})[0] == 303, "a word is in nobody's way"
    now = re.search(r'name="seen" value="(\w+)"', told)
    assert now is not None
    assert press(ops, "s-second", {"key": LOST, "seen": now.group(1), "do": "take"})[0] == 303


def press(ops: Ops, who: str, form: dict[str, str]) -> tuple[int, str]:
    """A form of the queue as this operator's browser sends it; without one the page of the lost hut."""

    async def go() -> httpx.Response:
        key = token(ops, who)
        csrf = ops.store.read_now(lambda read: login.subject_of(read, key, "staff").csrf)  # type: ignore[union-attr]
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            http.cookies.set("linli_staff", key)
            if not form:
                return await http.get(f"/operate/work/{LOST}")
            return await http.post("/operate/act", data={**form, "csrf": csrf})

    answer = asyncio.run(go())
    return answer.status_code, answer.text


def test_the_handover_says_who_has_what_and_what_was_said(ops: Ops) -> None:
    who = ops.subject()
    ops.act(lambda tx: acts.assign(tx, who, LOST, TAYING, who.id))
    ops.act(lambda tx: acts.comment(tx, who, LOST, TAYING, "电信说下午修好"))

    async def go() -> str:
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            http.cookies.set("linli_staff", token(ops))
            for path in (f"/operate/work/{LOST}", "/operate/handover"):
                page = await http.get(path)
                assert page.status_code == 200
                assert "电信说下午修好" in page.text
            return page.text

    sheet = asyncio.run(go())
    assert "吴**" in sheet or "吴*" in sheet
    assert "王桂兰" not in sheet


def hut(number: int, street: str, since: datetime | None) -> Place:
    line = Line(f"g{number}", "offline" if since else "online", since, None)
    path = f"{CITY}/{street[:6]}000000/{street}/{street[:9]}{number:03d}"
    return Place(f"h{number}", path[-12:], path, f"h{number}", f"h{number}", "", "", (line,), ())


seconds = st.one_of(st.none(), st.integers(0, 150))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["420802002000", "420802003000", "420804001000"]), seconds), max_size=30))
def test_every_lost_hut_is_in_exactly_one_place_of_the_queue(story: list[tuple[str, int | None]]) -> None:
    places = [
        hut(number, street, None if after is None else START + timedelta(seconds=after))
        for number, (street, after) in enumerate(story)
    ]
    incidents, alone = cluster.fold(places)
    told = [place.id for incident in incidents for place in incident.members] + [place.id for place in alone]
    assert sorted(told) == sorted(place.id for place in places if place.cut)
    again = cluster.fold(places[::-1])[0]
    assert {frozenset(place.id for place in each.members) for each in again} == {
        frozenset(place.id for place in each.members) for each in incidents
    }, "the order of looking says nothing"
    for incident in incidents:
        moments = [place.lost for place in incident.members if place.lost]
        assert len(moments) >= cluster.PLACES_LEAST
        assert incident.since == min(moments)
    # Nobody who was lost at the same time in the same street is left outside.
    for incident in incidents:
        for place in alone:
            near = place.lost is not None and timedelta(0) <= place.lost - incident.since <= cluster.WITHIN
            assert not (near and place.path.startswith(f"{incident.path}/"))


def test_a_switch_of_a_street_is_one_incident_with_its_huts() -> None:
    lost = [hut(number, "420802002000", START + timedelta(seconds=number)) for number in range(40)]
    other = [hut(99, "420804001000", START), hut(98, "420804001000", None)]
    hours_later = hut(97, "420802002000", START + timedelta(hours=5))
    made = work.queue([*lost, *other, hours_later], 0, None)
    assert [task.word.text for task in made.tasks] == ["Lost together", "Offline", "Offline"]
    assert len(made.tasks[0].members) == 40
    assert made.tasks[0].area == "420802002000"
    assert made.tasks[0].key == "area/420802002000/offline"


def test_streets_of_one_district_fold_into_the_district() -> None:
    lost = [
        hut(10 * street + number, f"42080200{street}000", START + timedelta(seconds=number))
        for street in (2, 3, 4)
        for number in range(5)
    ]
    (incident,), alone = cluster.fold(lost)
    assert incident.code == "420802000000"
    assert (len(incident.members), alone) == (15, ())


def test_the_board_names_the_street(ops: Ops) -> None:
    assert HUT != OTHER
    assert LIUHE != TAYING
    names = ops.store.read_now(lambda read: work._area_names(read, {"420802002000"}))
    assert names == {"420802002000": "泉口街道"}
