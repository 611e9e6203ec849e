"""The kiosk's page: truthful while saving, plain when it failed, and empty of the last neighbour once they are gone."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub import directory, registry
from hub.civic.health import MODULE, alerts, idle, kiosk, pending, stage
from hub.civic.health.idle import Patience
from hub.db import Tx
from hub.errors import TooMany
from hub.feed import Feed, Watcher
from tests.health.hutrig import ALL_NAN, HUT, LIN, WANG, Hut, digits_of, kiosk_subject, run_apart
from tests.world import LIUHE

PATIENCE = Patience()
HIGH = {"sys": "152", "dia": "88", "map": "109", "pulse": "76"}
URGENT = {"sys": "186", "dia": "112", "map": "137", "pulse": "80"}
SECOND = {"sys": "184", "dia": "108", "map": "133", "pulse": "80"}


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def sweep(hut: Hut) -> int:
    return int(str(hut.act(idle.sweep, PATIENCE)))


def test_the_idle_page_has_two_buttons(hut: Hut) -> None:
    page = hut.page()
    assert re.findall(r"<button[^>]*>.*?<span>([^<]+)", page, re.DOTALL) == ["刷卡测量", "不登录直接测"]


def test_a_known_neighbour_is_greeted_by_title_and_never_by_name(hut: Hut) -> None:
    hut.visit(WANG)
    page = hut.page()
    assert "王奶奶，您好" in page
    assert "桂兰" not in page
    assert "Ms Wang" in hut.page(lang="en")


def test_the_first_visit_asks_before_it_keeps_a_name_and_the_second_does_not(hut: Hut) -> None:
    hut.act(kiosk.open_session, HUT, card=WANG)
    page = hut.page()
    assert "同意并开始" in page
    assert "只测不记名" in page
    hut.act(kiosk.agree, HUT)
    hut.act(kiosk.end, HUT)
    hut.act(kiosk.open_session, HUT, card=WANG)
    assert 'data-stage="ready"' in hut.page()


def test_the_six_printed_digits_are_enough(hut: Hut) -> None:
    hut.act(kiosk.open_session, HUT, card="000002")
    session = hut.session()
    assert session is not None
    assert session.candidate == "r-lin"


def test_a_child_is_not_named_without_a_guardian(hut: Hut) -> None:
    def give_card(tx: Tx) -> None:
        boy = tx.session.get(directory.Resident, "r-boy")
        assert boy is not None
        boy.card_mark = tx.seal.mark("LH-000009", "card")
        tx.session.add(boy)

    hut.store.write_now(give_card)
    hut.act(kiosk.open_session, HUT, card="LH-000009")
    assert "监护人" in hut.page()
    assert hut.reading(hut.measure()).person is None


def test_five_wrong_cards_make_a_pause_and_measuring_stays_open(hut: Hut) -> None:
    hut.act(kiosk.open_session, HUT)
    for _try in range(kiosk.CARD_TRIES_MAX):
        hut.act(kiosk.present_card, HUT, "LH-123456")
    with pytest.raises(TooMany):
        hut.act(kiosk.present_card, HUT, WANG)
    hut.visit()
    assert hut.reading(hut.measure()).bound_by == "guest"
    hut.clock.advance(kiosk.CARD_PAUSE_S + 1)
    hut.act(kiosk.present_card, HUT, WANG)
    assert 'data-stage="consent"' in hut.page()


def test_the_number_stands_with_its_word_its_shape_and_the_disclaimer(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=HIGH)
    page = hut.page()
    for words in (
        "高压",
        "152",
        "低压",
        "88",
        "毫米汞柱",
        "心率",
        "76",
        "偏高",
        "仅供健康自测参考，不作为诊断依据",
        "已保存",
    ):
        assert words in page, words
    assert "<svg" in page.partition("hk-verdict")[2].partition("</span>")[0]
    english = hut.page(lang="en")
    assert "On the high side" in english
    assert not re.search("[\u4e00-\u9fff]", re.sub(r"<[^>]*>|王|浏河社区|居民健康小屋", "", english))


def test_a_guest_reads_that_no_name_was_kept(hut: Hut) -> None:
    hut.visit()
    hut.measure(values=HIGH)
    page = hut.page()
    assert "未记名保存" in page
    assert "看看以前的" not in page


def test_a_failed_cuff_shows_one_sentence_and_no_digit(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.send("bp", ALL_NAN)
    page = hut.page()
    assert "测量未成功,请再测一次" in page
    assert digits_of(page) == ""
    assert "2047" not in page
    assert hut.reading(ident).person == "r-wang"
    assert not hut.alerts()


def test_a_moved_arm_is_named_and_its_numbers_are_not_shown(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT, flags=("movement",))
    page = hut.page()
    assert "测量时有移动" in page
    assert digits_of(page) == ""
    assert not hut.alerts()


def test_a_suspect_number_is_shown_with_rest_and_measure_again_and_no_judgement(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT, flags=("position",))
    page = hut.page()
    assert "186" in page
    assert "请休息后复测" in page
    assert "偏高" not in page
    assert not hut.alerts()


def test_a_name_made_of_markup_is_only_text(hut: Hut) -> None:
    def rename(tx: Tx) -> None:
        row = tx.session.get(registry.Hut, HUT)
        person = tx.session.get(directory.Resident, "r-wang")
        assert row is not None
        assert person is not None
        row.zh = row.en = "<img src=x onerror=alert(1)>"
        person.name = "<script>alert(1)</script>"
        tx.session.add(row)
        tx.session.add(person)

    hut.store.write_now(rename)
    hut.visit(WANG)
    hut.measure()
    for what in ("result", "slip", "history"):
        hut.act(kiosk.turn_to, HUT, what)
        page = hut.page()
        assert "<img" not in page
        assert "<script" not in page


def test_after_sixty_quiet_seconds_it_asks_and_after_twenty_more_it_is_clear(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=HIGH)
    hut.clock.advance(59)
    assert sweep(hut) == 0
    hut.clock.advance(1)
    assert sweep(hut) == 1
    assert "还在使用吗？" in hut.page()
    hut.clock.advance(19)
    assert sweep(hut) == 0
    hut.clock.advance(1)
    assert sweep(hut) == 1
    page = hut.page()
    assert 'data-stage="idle"' in page
    for left in ("152", "88", "王", "偏高", "还在"):
        assert left not in page, left
    closed = hut.sessions()[0]
    assert (closed.why, closed.reading, closed.candidate) == ("idle", None, None)


def test_a_touch_while_it_asks_keeps_the_visit(hut: Hut) -> None:
    hut.visit(WANG)
    hut.clock.advance(60)
    sweep(hut)
    hut.act(kiosk.touch, HUT)
    assert "还在使用吗" not in hut.page()
    hut.clock.advance(59)
    assert sweep(hut) == 0


def test_a_rest_of_five_minutes_is_no_absence_and_shows_no_value(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)
    hut.act(kiosk.rest, HUT)
    assert "186" not in hut.page()
    hut.clock.advance(300)
    assert sweep(hut) == 0
    hut.clock.advance(60)
    assert sweep(hut) == 1


def test_the_next_neighbour_sees_nothing_of_the_one_before(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=HIGH)
    hut.visit(LIN)
    hut.act(kiosk.turn_to, HUT, "result")
    hut.act(kiosk.turn_to, HUT, "history")
    page = hut.page()
    assert 'data-stage="history"' in page
    for left in ("152", "王", "偏高"):
        assert left not in page, left


def test_a_guest_has_no_history(hut: Hut) -> None:
    hut.visit()
    hut.act(kiosk.turn_to, HUT, "history")
    assert 'data-stage="ready"' in hut.page()


def test_a_late_tap_on_a_cleared_page_meets_the_idle_page(hut: Hut) -> None:
    for verb in (kiosk.agree, kiosk.measure_unnamed, kiosk.rest, kiosk.touch, kiosk.end):
        hut.act(verb, HUT)
    hut.act(kiosk.choose, HUT, "bp")
    hut.act(kiosk.turn_to, HUT, "result")
    assert 'data-stage="idle"' in hut.page()
    assert not hut.sessions()


def test_only_this_huts_kiosk_may_watch_it() -> None:
    assert stage.may_watch(kiosk_subject(), HUT)
    assert not stage.may_watch(kiosk_subject("lh-hut-2"), HUT)


def test_pending_is_shown_until_the_store_says_stored(hut: Hut) -> None:
    hut.visit(WANG)
    hut.clock.advance(1)

    async def scenario() -> tuple[str, str]:
        feed = Feed(hut.store, MODULE.topics, hut.render, hut.clock)
        hut.store.bus.observe(feed.committed)
        watcher = Watcher("zh")
        await feed.watch(watcher, f"{kiosk.TOPIC}:{HUT}")
        watcher.take()
        arrival = SimpleNamespace(hut=HUT, key="k1", kind="bp", t_received=hut.clock.now())
        pending.glimpse(feed, arrival)
        await watcher.wake.wait()
        shown = watcher.take()[-1].html
        # The true reading is stored; its key is the one that is waited for.
        ident = hut.measure(values=HIGH)
        key = hut.reading(ident).key
        pending.glimpse(feed, SimpleNamespace(hut=HUT, key=key, kind="bp", t_received=hut.clock.now()))
        await watcher.wake.wait()
        return shown, (await feed.current(f"{kiosk.TOPIC}:{HUT}", "zh")).html

    before, after = run_apart(scenario())
    assert "已收到，正在保存" in before
    assert "152" not in before
    assert "正在保存" not in after
    assert "已保存" in after
    pending.PENDING.expire(hut.clock.now() + 2 * pending.KEPT)


def test_what_never_gets_stored_is_not_promised_for_ever(hut: Hut) -> None:
    hut.visit(WANG)
    pending.PENDING.note(HUT, pending.Awaited("never", "bp", hut.clock.now()))
    assert "正在保存" in hut.page()
    hut.clock.advance(11)
    assert "正在保存" not in hut.page()
    assert pending.PENDING.expire(hut.clock.now()) == [HUT]


def test_an_urgent_value_asks_for_rest_and_the_second_one_confirms_it(hut: Hut) -> None:
    hut.visit(WANG)
    first = hut.measure(values=URGENT)
    page = hut.page()
    assert "数值明显偏高。请坐下休息5分钟，我们再测一次。" in page
    assert "如有胸痛、剧烈头痛、说话不清、手脚无力，请马上拨打120" in page
    assert "叫工作人员" in page
    assert [(alert.level, alert.reading) for alert in hut.alerts()] == [("first", first)]
    hut.act(kiosk.rest, HUT)
    hut.clock.advance(360)
    second = hut.measure(values={**SECOND, "sys": "184"})
    alert = hut.alerts()[0]
    assert (alert.level, alert.reading, alert.confirmed_by) == ("confirmed", first, second)
    assert (alert.ruleset, alert.version) == ("bp-cn-2024", 1)
    assert (alert.due - alert.raised.date()).days == 14  # type: ignore[operator]
    page = hut.page()
    assert "建议今天就医" in page
    assert "告诉家庭医生" in page
    hut.act(lambda tx: alerts.tell_doctor(tx, kiosk.open_at(tx, HUT), True))  # type: ignore[arg-type]
    assert hut.alerts()[0].told_doctor is True
    assert "已告诉家庭医生" in hut.page()


def test_a_second_value_without_a_rest_does_not_confirm(hut: Hut) -> None:
    hut.visit(WANG)
    hut.measure(values=URGENT)
    hut.clock.advance(30)
    hut.measure(values=SECOND)
    assert [alert.level for alert in hut.alerts()] == ["first"]
    assert "建议今天就医" not in hut.page()


def test_someone_who_feels_ill_is_not_asked_to_wait(hut: Hut) -> None:
    hut.visit()
    hut.measure(values=URGENT)
    hut.act(lambda tx: alerts.feels_ill(tx, kiosk.open_at(tx, HUT)))  # type: ignore[arg-type]
    assert sorted(alert.level for alert in hut.alerts()) == ["call", "confirmed"]
    page = hut.page()
    assert "建议今天就医" in page
    assert "告诉家庭医生" not in page  # a guest has none here


@pytest.mark.parametrize(
    ("kind", "values", "level"),
    [
        ("spo2", {"spo2": "88", "pulse": "80"}, "first"),
        ("temp", {"temp": "39.4"}, "confirmed"),
        ("bp", {"sys": "120", "dia": "80", "pulse": "135"}, "confirmed"),
    ],
)
def test_each_urgent_kind_calls_someone(hut: Hut, kind: str, values: dict[str, str], level: str) -> None:
    hut.visit(WANG)
    hut.measure(kind, values)
    assert [alert.level for alert in hut.alerts()] == [level]
    assert "拨打120" in hut.page()


def test_one_call_however_often_the_button_is_pressed(hut: Hut) -> None:
    hut.visit(WANG)
    for _press in range(3):
        hut.act(lambda tx: alerts.call(tx, kiosk.open_at(tx, HUT)))  # type: ignore[arg-type]
    assert [alert.level for alert in hut.alerts()] == ["call"]


def test_an_urgent_value_nobody_claimed_still_calls_someone_once(hut: Hut) -> None:
    hut.measure(values=URGENT)
    assert [(alert.session, alert.area) for alert in hut.alerts()] == [(None, LIUHE)]


def test_no_alert_and_no_event_carries_a_value_or_a_name(hut: Hut) -> None:
    from sqlalchemy import select

    from hub.audit import AuditRow

    hut.visit(WANG)
    hut.measure(values=URGENT)
    hut.act(lambda tx: alerts.call(tx, kiosk.open_at(tx, HUT)))  # type: ignore[arg-type]
    rows = hut.store.read_now(lambda read: [r.detail for r in read.session.execute(select(AuditRow)).scalars()])
    kinds = hut.store.read_now(lambda read: {r.kind for r in read.session.execute(select(AuditRow)).scalars()})
    assert {"KioskOpened", "AlertRaised", "AttendantCalled", "ReadingBound"} <= kinds
    for text in [*rows, *(str(alert.model_dump()) for alert in hut.alerts())]:
        assert "王" not in text
        assert not re.search(r"\b(186|112)\b", text)
