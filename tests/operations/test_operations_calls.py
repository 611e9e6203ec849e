"""Alarms call their people: rung by rung, once for a storm, with proof; they hear when it eases and when it is over."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from channels.base import Accepted, Address, AddressGone, Dead, Outcome, Receipt, Retry
from channels.sms_text import approved_texts
from hub import caller, calls, contacts, directory, registry
from hub.calls import FORWARD, StaffCall
from hub.civic.notices import callback
from hub.civic.operations import alarms, duty, rulebook, summons
from hub.civic.operations.alarms import SHIPPED, AlarmChanged, Memory
from hub.civic.operations.models import Alarm, Hold, Summons
from hub.errors import NotFound
from hub.preferences import Quiet
from hub.quota import Limits
from simulators.sms_gateway import SmsSim
from simulators.sms_gateway import running as sms_running
from tests.operations.opsrig import HUT, OTHER, Ops, token
from tests.world import CITY, LIUHE, STREET, TAYING

HUB: dict[str, Any] = {"waiting": 0, "trouble": 0, "down": 0, "disk_free_mb": 40_960}
OPERATOR, DIRECTOR = "10000000001", "10000000002"
EXAMPLES = 60 if os.environ.get("LINLI_TEST_LONG") == "1" else 8


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = world(tmp_path)
    yield made
    made.store.close()


def world(folder: Path, *, inline: bool = True) -> Ops:
    made = Ops(folder, inline=inline)
    made.say(HUT, LIUHE, "online")
    made.act(lambda tx: contacts.enter(tx, "s-operator", "sms", OPERATOR))
    made.act(lambda tx: contacts.enter(tx, "s-director", "sms", DIRECTOR))
    return made


def live(ops: Ops, seconds: int, memory: Memory | None = None, step: int = 30) -> Memory | None:
    for _look in range(seconds // step):
        ops.clock.advance(step)
        memory = ops.act(lambda tx, memory=memory: alarms.look(tx, HUB, memory))
    return memory


def every(ops: Ops) -> list[StaffCall]:
    rule = select(StaffCall).order_by(col(StaffCall.made_at), col(StaffCall.staff))
    return ops.store.read_now(lambda read: list(read.session.execute(rule).scalars()))


def carried(ops: Ops, outcome: Outcome | None = None, channel: str = "sms") -> list[str]:
    """What leaves now, each with this answer; the titles."""
    batch = ops.act(lambda tx: calls.claim(tx, channel, 20, 60.0))
    answers = [outcome or Accepted(f"p-{each.delivery.id}") for each in batch]
    ops.act(lambda tx: calls.settle(tx, batch, answers))
    return [f"{each.delivery.address.value[-1]} {each.delivery.message.title}" for each in batch]


def link(ops: Ops, row: StaffCall) -> str:
    return ops.store.read_now(lambda read: calls.link(read, row))


def raised(ops: Ops, subject: str, area: str = LIUHE, rule: str = "hut-line-down") -> str:
    """An alarm as the rules leave it, raised now."""

    def work(tx: Any) -> str:
        alarms.in_force(tx)
        made = Alarm(
            id=tx.new_id(), ruleset=1, rule=rule, subject=subject, area=area, level="warn", told=True, to="operator",
            raised=tx.now(),
        )  # fmt: skip
        tx.session.add(made)
        tx.session.flush()
        spoken(tx, made, "raised")
        return str(made.id)

    return str(ops.act(work))


def spoken(tx: Any, alarm: Alarm, what: str, look: int = 1) -> None:
    tx.emit(
        AlarmChanged, alarm=alarm.id, rule=alarm.rule, version=1, what=what, level=alarm.level, to=alarm.to,
        area=alarm.area, look=look,
    )  # fmt: skip


def moved(ops: Ops, ident: str, what: str, look: int, **fields: Any) -> None:
    def work(tx: Any) -> None:
        alarm = tx.session.get(Alarm, ident)
        for name, value in fields.items():
            setattr(alarm, name, value)
        tx.session.add(alarm)
        tx.session.flush()
        spoken(tx, alarm, what, look)

    ops.act(work)


def test_each_rung_calls_its_people_and_they_hear_when_it_eases_and_is_over(ops: Ops) -> None:
    memory = live(ops, 30)
    ops.say(HUT, LIUHE, "offline")
    memory = live(ops, 150, memory)
    assert carried(ops) == [], "what is not grave waits for others"
    memory = live(ops, 60, memory)
    assert carried(ops) == ["1 小屋断线超过两分钟"]
    memory = live(ops, 14_400, memory, 2_400)
    assert carried(ops) == ["2 小屋断线超过两分钟"], "nobody answered: the director is called, at once"
    assert "尚无人确认" in every(ops)[1].text
    ops.act(lambda tx: calls.raise_to(tx, tx.session.get(StaffCall, every(ops)[0].id), "acknowledged"))
    memory = live(ops, 60, memory)
    ops.clock.advance(60)
    assert carried(ops) == ["2 已缓解：小屋断线超过两分钟"]
    assert "吴" in every(ops)[2].text, "who has it is told, by a masked name"
    ops.say(HUT, LIUHE, "online")
    live(ops, 120, memory)
    ops.clock.advance(60)
    assert sorted(carried(ops)) == ["1 已恢复：小屋断线超过两分钟", "2 已恢复：小屋断线超过两分钟"]
    assert not [row for row in every(ops) if "187" in row.text or "王" in row.text]


def test_who_is_called_for_a_line_is_not_called_for_each_thing_behind_it_until_it_is_back(ops: Ops) -> None:
    line, box = raised(ops, f"gateway:{HUT}"), raised(ops, "device:bp-1", rule="device-dead")
    (call,) = every(ops)
    assert (call.count, call.text) == (1, f"浏河社区 {HUT} 健康小屋")
    ops.clock.advance(61)
    carried(ops)
    moved(ops, line, "cleared", 2, cleared=ops.clock.now())
    ops.clock.advance(61)
    assert sorted(carried(ops)) == ["1 已恢复：小屋断线超过两分钟", "1 设备不应答"]
    moved(ops, box, "cleared", 3, cleared=ops.clock.now())
    ops.clock.advance(61)
    assert carried(ops) == ["1 已恢复：设备不应答"]


def test_a_streets_switch_is_one_call_and_what_comes_back_in_time_is_not_told(ops: Ops) -> None:
    def found(tx: Any) -> None:
        for number in range(6):
            registry.found_hut(tx, f"h-{number}", LIUHE if number % 2 else STREET, f"{number}号小屋", "h", "", "")
            registry.add_gateway(tx, f"g-{number}", LIUHE if number % 2 else STREET, f"h-{number}")

    ops.act(found)
    made = [raised(ops, f"gateway:g-{number}", LIUHE if number % 2 else STREET) for number in range(6)]
    (call,) = every(ops)
    assert (call.count, call.title, call.text) == (6, "小屋断线超过两分钟等，另有5项", "泉口街道共6处")
    for ident in made[:5]:
        moved(ops, ident, "cleared", 2, cleared=ops.clock.now())
    (call,) = every(ops)
    assert (call.count, call.text) == (1, "浏河社区 5号小屋"), "the one that is left is told by its own name"
    moved(ops, made[5], "cleared", 3, cleared=ops.clock.now())
    ops.clock.advance(3_600)
    assert carried(ops) == []
    assert every(ops)[0].state == "cancelled"


def test_quiet_hours_hold_what_can_wait_and_not_what_is_grave(ops: Ops) -> None:
    ops.act(lambda tx: contacts.choose(tx, "s-operator", "sms", "important", Quiet(8 * 60, 20 * 60), "en"))
    raised(ops, f"gateway:{HUT}")
    ops.clock.advance(300)
    assert carried(ops) == []
    (call,) = every(ops)
    assert (call.why, call.not_before.hour) == ("quiet hours", 12), "20:00 in Jingmen"
    ident = raised(ops, f"gateway:{OTHER}", TAYING)
    moved(ops, ident, "level", 2, level="bad", to="operator")
    assert carried(ops) == ["1 A hut's line has been down for two minutes"]
    ops.act(lambda tx: contacts.choose(tx, "s-operator", "sms", "urgent", None, "zh"))
    raised(ops, f"device:bp-1:{HUT}", rule="device-dead")
    assert len(every(ops)) == 3 - 1, "who wants grave ones only is not called for less"


def test_an_hour_has_so_many_calls_and_the_rest_is_told_together(ops: Ops) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("calls_per_hour = 12", "calls_per_hour = 3")
    ops.act(lambda tx: setattr(alarms.in_force(tx), "text", text))
    for number in range(3):
        raised(ops, f"gateway:g-{number}")
        ops.clock.advance(61)
        assert len(carried(ops)) == 1
    raised(ops, "gateway:g-98")
    raised(ops, "gateway:g-99")
    ops.clock.advance(120)
    assert carried(ops) == []
    ops.clock.advance(3_600)
    assert len(carried(ops)) == 1
    assert every(ops)[-1].count == 2


def test_the_link_acknowledges_by_one_press_without_signing_in_and_opens_nothing_else(ops: Ops) -> None:
    ops.say(HUT, LIUHE, "offline")
    ops.act(lambda tx: directory.hire(tx, "s-other", "吴霜雪", "p-other", [("operator", CITY)]))
    ops.act(lambda tx: contacts.enter(tx, "s-other", "sms", "10000000003"))
    ident = raised(ops, f"gateway:{HUT}")
    ops.clock.advance(61)
    batch = ops.act(lambda tx: calls.claim(tx, "sms", 1, 60.0))
    ops.act(lambda tx: calls.settle(tx, batch, [Accepted("p-1")]))
    left, waits = sorted(every(ops), key=lambda row: row.state)
    path = link(ops, left)

    async def ask() -> list[int]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=ops.app), base_url="http://127.0.0.1", follow_redirects=True
        ) as http:
            shown = await http.get(path)
            assert "确认收到" in shown.text
            assert ops.store.read_now(lambda read: read.session.get(Alarm, ident).acked_at) is None, (
                "to open is no word"
            )
            forged = await http.get(path[:-1] + ("0" if path[-1] != "0" else "1"))
            other = await http.post(f"/call/{waits.id}.{path.rpartition('.')[2]}")
            told = await http.post(path)
            assert "已记录" in told.text
            board = await http.get("/operate", follow_redirects=False)
            return [shown.status_code, forged.status_code, other.status_code, told.status_code, board.status_code]

    assert asyncio.run(ask()) == [200, 404, 404, 200, 401]
    alarm = ops.store.read_now(lambda read: read.session.get(Alarm, ident))
    assert alarm.acked_by == left.staff
    held = ops.store.read_now(lambda read: read.session.get(Hold, f"place/{HUT}/offline"))
    assert held.acked_by == left.staff, "and the queue knows it"
    assert {row.id: row.state for row in every(ops)}[waits.id] == "cancelled", "the colleague is not called any more"
    ops.clock.advance(3 * 86_400)
    with pytest.raises(NotFound):
        ops.store.read_now(lambda read: calls.by_link(read, path.removeprefix("/call/")))


def test_proof_only_rises_and_what_failed_is_tried_again_or_told(ops: Ops) -> None:
    raised(ops, f"gateway:{HUT}")
    ops.clock.advance(61)
    carried(ops, Retry(None, "http 503", "http 503"))
    assert every(ops)[0].state == "planned"
    for _try in range(10):
        ops.clock.advance(3_600)
        carried(ops, Retry(None, "http 503", "http 503"))
    assert every(ops)[0].state in ("dead", "expired")
    raised(ops, f"gateway:{OTHER}", LIUHE)
    ops.clock.advance(61)
    early = Receipt(f"p-{every(ops)[1].id}", "delivered", ops.clock.now(), "DELIVRD", address=Address("sms", OPERATOR))
    ops.act(lambda tx: callback.delivery.receipt(tx, "sms", early))
    carried(ops)
    assert every(ops)[1].state == "delivered", "a receipt that overtook the answer is not lost"
    assert ops.act(lambda tx: calls.receipt(tx, "sms", early))
    ops.act(
        lambda tx: calls.receipt(tx, "sms", Receipt("", "acknowledged", ops.clock.now(), "1", address=early.address))
    )
    ops.act(lambda tx: calls.receipt(tx, "sms", Receipt(early.provider_id, "failed", ops.clock.now(), "late")))
    assert every(ops)[1].state == "acknowledged"
    raised(ops, "gateway:g-3")
    ops.clock.advance(61)
    carried(ops, AddressGone("no such number"))
    assert every(ops)[2].state == "unreachable"
    assert ops.store.read_now(lambda read: contacts.of_staff(read, "s-operator")) == []
    assert carried(ops, Dead("x")) == []


def test_a_days_quota_keeps_its_reserve_for_grave_calls(ops: Ops) -> None:
    raised(ops, f"gateway:{HUT}")
    ops.clock.advance(61)
    tight = Limits(messages=2, reserve_percent=100)
    assert not ops.act(lambda tx: calls.claim(tx, "sms", 20, 60.0, tight))
    ident = raised(ops, f"gateway:{OTHER}", LIUHE)
    moved(ops, ident, "level", 2, level="bad", to="director")
    assert len(ops.act(lambda tx: calls.claim(tx, "sms", 20, 60.0, tight))) == 1


def test_the_nearest_of_a_role_are_called_and_nobody_is_an_answer_too(ops: Ops) -> None:
    book = rulebook.read(SHIPPED.read_text(encoding="utf-8"))
    here = ops.store.read_now(lambda read: {post.role: post for post in duty.posts(read, book, LIUHE)})
    assert [here["operator"].people, here["director"].people] == [
        (("s-operator", ("sms",)),),
        (("s-director", ("sms",)),),
    ]
    there = ops.store.read_now(lambda read: {post.role: post for post in duty.posts(read, book, TAYING)})
    assert there["director"].people == ()
    ops.act(lambda tx: directory.hire(tx, "s-near", "近水", "p-near", [("operator", LIUHE)]))
    again = ops.store.read_now(lambda read: {post.role: post for post in duty.posts(read, book, LIUHE)})
    assert again["operator"].people[0][0] == "s-operator", "who is nearer and cannot be called is passed over"
    ops.act(lambda tx: contacts.enter(tx, "s-near", "sms", "10000000009"))
    raised(ops, f"gateway:{HUT}")
    assert [row.staff for row in every(ops)] == ["s-near"]


def test_an_address_has_one_holder_and_a_code_binds_wechat_once(ops: Ops) -> None:
    ops.act(lambda tx: contacts.enter(tx, "s-director", "sms", OPERATOR))
    own = ops.store.read_now(lambda read: contacts.of_many(read, {"s-operator", "s-director"}))
    assert {staff: len(rows) for staff, rows in own.items()} == {"s-director": 1}
    code = ops.act(lambda tx: contacts.token(tx, "s-operator"))
    assert ops.act(lambda tx: contacts.entered(tx, "wechat", "openid-1", code))
    assert not ops.act(lambda tx: contacts.entered(tx, "wechat", "openid-2", code))
    late = ops.act(lambda tx: contacts.token(tx, "s-director"))
    ops.clock.advance(601)
    ops.act(lambda tx: contacts.entered(tx, "wechat", "openid-3", late))
    (row,) = ops.store.read_now(lambda read: contacts.of_staff(read, "s-operator"))
    assert (row.channel, row.address) == ("wechat", "openid-1")
    ops.act(lambda tx: contacts.gone(tx, "wechat", "openid-1"))
    assert ops.store.read_now(lambda read: contacts.of_staff(read, "s-operator")) == []


stories = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["raise", "up", "down", "clear", "leave", "wait", "ack"])),
    min_size=4,
    max_size=14,
)


def test_whoever_was_told_of_an_alarm_hears_that_it_is_over_and_nobody_else(ops: Ops) -> None:
    tries = itertools.count()

    @settings(max_examples=EXAMPLES)
    @example(story=[(0, "raise"), (0, "leave"), (0, "up"), (0, "leave"), (0, "down"), (0, "leave"), (0, "clear")])
    @given(story=stories)
    def lived(story: list[tuple[int, str]]) -> None:
        live_through(ops, story, f"try-{next(tries)}")

    lived()


def live_through(ops: Ops, story: list[tuple[int, str]], mark: str) -> None:
    """One story on things of its own; at its end all is clear and has left, so that the next begins anew."""
    open_: dict[int, str] = {}
    mine: set[str] = set()
    for look, (thing, what) in enumerate([*story, *((thing, "clear") for thing in range(3)), (0, "leave")], 2):
        ident = open_.get(thing, "")
        match what:
            case "raise" if not ident:
                open_[thing] = raised(ops, f"gateway:{mark}-{thing}")
                mine.add(open_[thing])
            case "up" if ident:
                moved(ops, ident, "level", look, level="bad", to="director")
            case "down" if ident:
                moved(ops, ident, "level", look, level="warn", to="operator")
            case "clear" if ident:
                moved(ops, open_.pop(thing), "cleared", look, cleared=ops.clock.now())
            case "ack" if ident:
                ops.act(lambda tx, ident=ident: alarms.acknowledge(tx, "s-x", tx.session.get(Alarm, ident)))
            case "leave":
                ops.clock.advance(7_200)
                carried(ops)
            case "wait":
                ops.clock.advance(20)
    rows = {row.id: row for row in every(ops)}
    every_link = ops.store.read_now(lambda read: list(read.session.execute(select(Summons)).scalars()))
    links = [each for each in every_link if each.alarm in mine]
    told = {(each.alarm, each.contact) for each in links if each.what == "begun" and rows[each.call].state in FORWARD}
    over = [(each.alarm, each.contact) for each in links if each.what == "over" and rows[each.call].state in FORWARD]
    assert set(over) == told
    assert len(over) == len(set(over))
    for ident in {each.call for each in links}:
        assert rows[ident].count == sum(1 for each in links if each.call == ident)


@pytest.mark.anyio
async def test_a_real_text_message_comes_back_as_an_acknowledgement(ops: Ops) -> None:
    """Call, caller, the simulated gateway's phone, its answer 1, the callback; then the alarm is answered."""
    ident = raised(ops, f"gateway:{HUT}")
    ops.clock.advance(61)
    sim = SmsSim("linli", "sms-secret", templates=approved_texts("12345"), now=ops.clock.now, report_delay_s=(0, 0))
    async with sms_running(sim) as address, httpx.AsyncClient(trust_env=False) as net:
        ops.services.net = net
        ops.services.config = {
            "sms.url": address, "sms.access_id": "linli", "sms.secret": "sms-secret", "sms.sign": "邻里",
            "sms.contact": "12345", "public_url": "https://linli.example",
        }  # fmt: skip
        channel = caller.opened(ops.services)["sms"]
        assert await caller.carry_once(ops.services, "sms", channel) == 1
        (message,) = (await net.get(f"{address}/sim/inbox")).json()["items"]
    assert message["number"] == OPERATOR
    assert "小屋断线超过两分钟" in message["text"]
    answer = Receipt("", "acknowledged", ops.clock.now(), "reply by text message", address=Address("sms", OPERATOR))
    assert ops.act(lambda tx: calls.receipt(tx, "sms", answer))
    alarm = ops.store.read_now(lambda read: read.session.get(Alarm, ident))
    assert alarm.acked_by == "s-operator"
    (told,) = ops.store.read_now(lambda read: summons.told(read, [ident]))
    assert (told.state, told.who.startswith("吴")) == ("acknowledged", True)


def test_the_pages_say_who_was_called_and_who_would_be(ops: Ops) -> None:
    ops.services.config = {"sms.url": "http://127.0.0.1:9", "sms.secret": "s", "sms.sign": "邻里", "sms.access_id": "l"}
    ident = raised(ops, f"gateway:{HUT}")
    ops.say(HUT, LIUHE, "offline")
    ops.clock.advance(61)
    carried(ops)
    wanted = (
        (f"/operate/alarms/{ident}", "zh", "已交运营商"), (f"/operate/alarms/{ident}", "en", "handed to the provider"),
        (f"/operate/work/place/{HUT}/offline", "zh", "已交运营商"), ("/operate/reach-me", "en", "100****0001"),
        ("/operate/reach-me", "zh", "叫不到人"), ("/operate", "zh", "已呼叫1人次"), ("/operate/alarms", "zh", HUT),
    )  # fmt: skip

    async def ask() -> None:
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            http.cookies.set("linli_staff", token(ops))
            for path, lang, words in wanted:
                http.cookies.set("linli_lang", lang)
                html = (await http.get(path)).text
                assert words in html, (path, lang)
                assert OPERATOR not in html, path

    asyncio.run(ask())
