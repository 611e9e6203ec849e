"""What may stand in a text message, how it is counted, and what the signature covers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message
from channels.sms_limit import PER_NUMBER_MAX, Window
from channels.sms_sign import AGE_S_MAX, Signed, checked, header
from channels.sms_text import VARIABLE_CHARS_MAX, approved_texts, fill, parts, variable
from simulators.sms_platform import Platform, Rejected, _filled
from simulators.sms_platform import parts as parts_at_the_gateway

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
MESSAGE = Message("n-1", 1, "routine", "notice", "停水通知", "今晚停水。", "浏河社区", "居委会", NOW, None, "/n/n-1")
HOSTILE = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("【】${}1380 -。http:/.cn\n")))


@pytest.mark.parametrize(("length", "billed"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)])
def test_a_part_holds_70_alone_and_67_among_others(length: int, billed: int) -> None:
    assert parts("字" * length) == parts_at_the_gateway("字" * length) == billed


def test_a_rare_character_counts_twice_as_the_air_does() -> None:
    assert parts("\U00020000" * 35) == 1
    assert parts("\U00020000" * 36) == 2


@given(title=HOSTILE, text=HOSTILE, area=HOSTILE, priority=st.sampled_from(["routine", "urgent", "drill"]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_the_gateway_would_approve_it(title: str, text: str, area: str, priority: str) -> None:
    message = replace(MESSAGE, title=title, text=text, area_name=area, priority=priority)  # type: ignore[arg-type]
    filled = fill(message, "邻里", "12345")
    reviewed = approved_texts("12345")[filled.template]
    assert filled.text == "【邻里】" + _filled(reviewed, dict(filled.variables))  # the simulated gateway's own check
    assert filled.text.count("【") == 1
    assert len(filled.text) <= 500


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("咨询请打0724-1000001", "咨询请打"),
        ("加１３８００００００００领奖", "加 领奖"),
        ("见https://a.example/b?c=1。", "见 。"),
        ("会期2026-11-22 09:30开始", "会期2026-11-22 09:30开始"),
        ("【邻里】【中奖】${code}", "“邻里”“中奖”code"),
    ],
)
def test_links_and_numbers_leave_a_variable(written: str, said: str) -> None:
    assert variable(written) == said


def test_a_sentence_with_a_telephone_number_goes_as_a_whole() -> None:
    filled = fill(replace(MESSAGE, text="明早停电。\n有事请打0724-1000001找王师傅。请备好手电。"), "邻里", "12345")
    assert dict(filled.variables)["text"] == "明早停电。请备好手电"
    assert filled.cut


def test_the_greeting_makes_room_for_when_and_where() -> None:
    text = "尊敬的居民朋友：\n因供水主管道检修，需要临时停水。\n时间：11月23日8:00至18:00。\n范围：2栋、3栋。"
    said = dict(fill(replace(MESSAGE, text=text), "邻里", "12345").variables)["text"]
    assert said == "因供水主管道检修，需要临时停水。时间：11月23日8:00至…"
    greeting = dict(fill(replace(MESSAGE, text="尊敬的居民朋友："), "邻里", "12345").variables)["text"]
    assert greeting == "尊敬的居民朋友："


def test_what_is_too_long_ends_at_a_pause_with_the_rest_elsewhere() -> None:
    filled = fill(
        replace(
            MESSAGE,
            text="因管道检修，今天上午8时至12时停水，请提前储水，谢谢配合，恢复时间另行通知，给您带来不便敬请谅解。",
        ),
        "邻里",
        "1",
    )
    text = dict(filled.variables)["text"]
    assert len(text) <= VARIABLE_CHARS_MAX
    assert text.endswith("…")
    assert not re.search(r"\d…$", text)
    assert filled.cut


def test_a_personal_message_says_only_that_it_is_there() -> None:
    filled = fill(replace(MESSAGE, personal=True, title="王桂兰 血压 182/110", text="请就医"), "邻里", "12345")
    assert filled.variables == ()
    assert "182" not in filled.text
    assert "王" not in filled.text


@given(body=st.binary(max_size=50), other=st.binary(max_size=50), late_s=st.integers(-600, 600))
@settings(max_examples=40, deadline=None)
def test_a_signature_holds_for_these_bytes_this_way_and_a_while(body: bytes, other: bytes, late_s: int) -> None:
    given_mark = header("secret", "send", "linli", NOW, "0123456789abcdef", body)
    at = NOW + timedelta(seconds=late_s)
    fresh = abs(late_s) <= AGE_S_MAX
    held = checked(given_mark, "secret", "send", "linli", at, body)
    assert held == (Signed(int(NOW.timestamp()), "0123456789abcdef") if fresh else "age")
    assert checked(given_mark, "secret", "callback", "linli", NOW, body) == "signature"
    assert checked(given_mark, "another", "send", "linli", NOW, body) == "signature"
    if other != body:
        assert checked(given_mark, "secret", "send", "linli", NOW, other) == "signature"


def test_the_fifty_first_message_of_a_kind_waits_until_the_first_is_a_day_old() -> None:
    window = Window()
    for minute in range(PER_NUMBER_MAX):
        assert window.wait_s("10000000001", "notice-zh", NOW + timedelta(minutes=minute)) is None
        window.note("10000000001", "notice-zh", NOW + timedelta(minutes=minute))
    later = NOW + timedelta(hours=1)
    assert window.wait_s("10000000001", "notice-zh", later) == 23 * 3600
    assert window.wait_s("10000000001", "urgent-zh", later) is None
    assert window.wait_s("10000000002", "notice-zh", later) is None
    assert window.wait_s("10000000001", "notice-zh", NOW + timedelta(hours=24)) is None


def test_the_simulated_gateway_keeps_the_same_limit() -> None:
    import random

    platform = Platform("linli", "s", "邻里", approved_texts("12345"), random.Random(1), lambda: NOW)
    asked = {"number": "10000000001", "sign": "邻里", "template": "personal-zh", "variables": {}}
    for number in range(PER_NUMBER_MAX):
        platform.send({**asked, "key": f"key-{number:04d}"})
    assert platform.send({**asked, "key": "key-0000"})[2] is None, "a repeat arrives once and counts once"
    with pytest.raises(Rejected, match="LIMIT"):
        platform.send({**asked, "key": "key-one-more"})
