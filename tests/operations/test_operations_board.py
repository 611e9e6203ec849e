"""The board: what needs a person first, every frame accounted for, no person and no value, also with 1,557 huts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import registry
from hub.civic.operations import MODULE, board, cards, flow, setaside, work
from hub.civic.operations.scope import WHOLE
from hub.civic.operations.words import DEVICE_WORDS
from hub.clock import ManualClock
from hub.db import Tx
from hub.errors import NotFound
from hub.ingest import Ingest
from hub.presence import STATES
from tests.operations.opsrig import CANARY, FAILED, HUT, OTHER, Ops
from tests.world import LIUHE, START, TAYING

KEYS = {cards.HUT: (f"all|{HUT}", f"all|{OTHER}"), cards.RECENT: ("24h|all", "60m|all", f"24h|all|{HUT}")}
VALUES = ("187", "93", "124", "79")
NAMES = ("王桂兰", "林春禾", "林晓雨", "r-wang", "LH-000001")


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path)
    yield made
    made.store.close()


def words_of(html: str) -> str:
    """What a reader reads: no tags, no drawing's geometry."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def fragments(ops: Ops, lang: str) -> dict[str, str]:
    found = {
        f"{topic.name}:{key}": ops.draw(f"{topic.name}:{key}", lang)
        for topic in MODULE.topics
        for key in KEYS.get(topic.name, ("all",))
    }
    meter = {"flow": flow.measure(ops.ingest, ops.clock.now())}
    found["operations.flow:all"] = ops.services.render("operations/flow.html", meter, lang)
    return found


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_fragment_tells_a_value_or_a_person(ops: Ops, lang: str) -> None:
    ops.busy_day()
    person = "update reading set person = 'r-wang', bound_by = 'card'"
    ops.act(lambda tx: tx.session.connection().exec_driver_sql(person))
    for topic, html in fragments(ops, lang).items():
        numbers = set(re.findall(r"\d+", words_of(html)))
        assert not numbers & set(VALUES), topic
        assert not [name for name in NAMES if name in html], topic
        assert CANARY.hex() not in html, topic


def test_the_queue_names_the_worst_first_and_says_what_to_do(ops: Ops) -> None:
    ops.busy_day()
    text = words_of(ops.draw("operations.work:all"))
    order = [text.index(each) for each in ("离线", "数据帧未读懂", "待校准")]
    assert order == sorted(order)
    assert "整个小屋断线，请检查供电和网络" in text
    assert "缺纸" in text
    english = words_of(ops.draw("operations.work:all", "en"))
    assert "The line of the whole hut is down" in english
    assert "Out of paper" in english


def test_a_dead_device_behind_a_live_line_is_not_called_a_dead_line(ops: Ops) -> None:
    ops.say(HUT, LIUHE, "online")
    for minute in range(1, 4):
        ops.clock.advance(60)
        ops.send(ops.up(FAILED[:7] + bytes.fromhex("ea070b1609") + bytes([minute, 0]) + FAILED[14:]))
    queue = work.queue(ops.store.read_now(lambda read: board.look(read, WHOLE)), 0, None)
    assert [task.word.text for task in queue.tasks if task.what == "血压计"] == ["Faulty"]
    assert DEVICE_WORDS["offline"] not in [task.word for task in queue.tasks]


def test_every_state_of_a_device_has_a_word() -> None:
    assert set(STATES) == set(DEVICE_WORDS)


def test_a_quiet_board_says_that_nothing_waits(ops: Ops) -> None:
    queue = work.queue([], 0, None)
    assert "没有待办" in ops.services.render("operations/work.html", {"queue": queue, "at": START}, "zh")


@pytest.mark.parametrize(
    ("lang", "sentence"),
    [("zh", "没有登记名为 ghost 的设备"), ("en", "No device is registered under the name ghost")],
)
def test_quarantine_tells_the_reason_in_the_readers_language(ops: Ops, lang: str, sentence: str) -> None:
    ops.busy_day()
    assert sentence in ops.draw("operations.quarantine:all", lang)


def test_dealt_with_twice_is_dealt_with_once(ops: Ops) -> None:
    ops.busy_day()
    first, second = sorted(ops.quarantined(), key=lambda row: row.id)
    assert ops.act(lambda tx: setaside.see(tx, WHOLE, first.id)) == 1
    assert ops.act(lambda tx: setaside.see(tx, WHOLE, first.id)) == 0
    assert ops.store.read_now(lambda read: setaside.unread(read, WHOLE))[0] == 1
    assert ops.act(lambda tx: setaside.see(tx, WHOLE, second.id, and_before=True)) == 1
    assert ops.store.read_now(lambda read: setaside.unread(read, WHOLE)) == (0, None)
    with pytest.raises(NotFound):
        ops.act(lambda tx: setaside.see(tx, WHOLE, "nothing"))


def test_the_law_stands_on_the_board_and_adds_up(ops: Ops) -> None:
    ops.busy_day()
    seen = flow.measure(ops.ingest, ops.clock.now())
    assert (seen.ingested, seen.stored, seen.duplicate, seen.quarantined, seen.refused_total) == (6, 2, 1, 2, 1)
    html = fragments(ops, "zh")["operations.flow:all"]
    assert "接收 6 = 已入库 2 + 重复 1 + 隔离 2 + 拒收 1 账目相符" in words_of(html)
    assert "过大 too-large 1" in words_of(html)


counted = st.integers(0, 10_000)


@given(st.lists(st.tuples(counted, counted, counted), max_size=8), st.lists(st.sampled_from(["acl", "rate", "odd"])))
@settings(max_examples=60)
def test_whatever_arrives_the_shown_parts_add_up_to_the_whole(
    batches: list[tuple[int, int, int]], no: list[str]
) -> None:
    ingest = Ingest(None, None, ManualClock(START), None)  # type: ignore[arg-type]
    for stored, duplicate, quarantined in batches:
        ingest.meter.batch(stored=stored, duplicate=duplicate, quarantined=quarantined, latencies_ms=[1.0])
    for reason in no:
        ingest.refused(reason)
    seen = flow.as_json(flow.measure(ingest, START))
    parts = [seen["stored"], seen["duplicate"], seen["quarantined"], *seen["refused"].values()]  # type: ignore[attr-defined]
    assert seen["ingested"] == sum(parts)


@given(st.lists(st.integers(0, 100_000), min_size=120, max_size=120))
@settings(max_examples=60)
def test_the_rate_is_drawn_inside_its_frame_and_loses_no_reading(rates: list[int]) -> None:
    drawn = flow.draw(rates)
    assert sum(count for _ago, count in drawn.rows) == sum(rates)
    for point in drawn.line.split():
        x, y = map(float, point.split(","))
        assert drawn.left <= x <= drawn.width
        assert 0 <= y <= drawn.height


def test_one_mark_stands_for_each_reading_and_its_shape_for_the_quality(ops: Ops) -> None:
    ops.busy_day()
    html = ops.draw("operations.recent:24h|all")
    plot = html[: html.index("<figcaption")]
    assert (plot.count("ops-mark-ok"), plot.count("ops-mark-bad")) == (1, 1)
    hour = ops.draw("operations.recent:60m|all")
    assert hour[: hour.index("<figcaption")].count("ops-mark") == 1


def test_trouble_and_jobs_that_are_down_stand_in_the_queue(ops: Ops) -> None:
    tasks = work.troubles("OperationalError", {"notices.boards": "TimeoutError"})
    text = words_of(ops.services.render("operations/alarm.html", {"tasks": tasks}, "zh"))
    assert "数据入库停滞" in text
    assert "notices.boards" in text


def test_a_city_of_1557_huts_is_drawn(ops: Ops, record_property: pytest.FixtureRequest) -> None:
    def found(tx: Tx) -> None:
        for number in range(1555):
            ident = f"c-{number:04}"
            area = LIUHE if number % 2 else TAYING
            tx.session.add(registry.Hut(id=ident, area=area, zh=f"小屋 {number}", en=f"Hut {number}"))
            tx.session.flush()
            tx.session.add(registry.Gateway(id=ident, area=area, hut=ident))
            tx.session.flush()
            for kind in ("bp", "spo2", "temp", "kiosk"):
                tx.session.add(
                    registry.Device(id=f"{ident}-{kind}", gateway=ident, hut=ident, kind=kind, zh=kind, en=kind)
                )

    ops.act(found)
    began = time.perf_counter()
    html = ops.draw("operations.huts:all")
    took = time.perf_counter() - began
    record_property("seconds", took)  # type: ignore[operator]
    print(f"1,557 huts, 6,224 devices: {took * 1000:.0f} ms, {len(html) // 1000} kB")
    assert html.count('class="ops-cell') == 1557
    assert len(re.findall(r'<a class="ops-cell[^>]* title="[^"]+: [^"]+"', html)) == 1557  # each cell has its words


def test_what_was_drawn_yesterday_is_not_shown_to_who_comes_today(ops: Ops) -> None:
    """Nobody watched, so nothing was redrawn: a page drawn now must draw anew."""
    before = ops.draw("operations.devices:all")
    ops.clock.advance(timedelta(days=2).total_seconds())
    assert ops.draw("operations.devices:all") != before
