"""What a loudspeaker says: figures as neighbours say them, in order, nothing that cannot be said, not for ever."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import RETRACTION, Message
from channels.loudspeaker_text import CHARS_MAX, speech
from channels.loudspeaker_words import DIGITS, moment, said, singly, whole

WATER = Message(
    "n-1", 1, "routine", "water", "停水通知", "今晚停水。", "浏河社区", "浏河社区居委会",
    datetime(2026, 11, 22, 1, 30, tzinfo=UTC), None, "https://linli.example/n",
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("14:00", "下午两点"),
        ("今天8:30", "今天早上八点半"),
        ("0:15", "凌晨零点十五分"),
        ("12:00", "中午十二点"),
        ("24:00", "夜里十二点"),
        ("8:05至18：00", "早上八点零五分至晚上六点"),
        ("下午2:00", "下午两点"),
        ("今晚20:00", "今晚八点"),
        ("9时30分", "上午九点半"),
        ("2小时", "两小时"),
        ("2026年11月22日", "二零二六年十一月二十二日"),
        ("2026-11-02", "二零二六年十一月二日"),
        ("电话：0724-2330110", "电话：零七二四，二三三零幺幺零"),
        ("拨打13800138000", "拨打幺三八，零零幺三，八零零零"),
        ("拨119", "拨幺幺九"),
        ("2栋102室", "二栋一零二室"),
        ("第2个，2个，20人", "第二个，两个，二十人"),
        ("-3~5℃", "零下三到五摄氏度"),
        ("50-100mm", "五十到一百毫米"),
        ("80%", "百分之八十"),
        ("1,200元", "一千二百元"),
        ("3.5kg", "三点五公斤"),
        ("10010人", "一万零十人"),
        ("见 https://linli.example/n/1 。", "见  。"),
        ("<b>停水</b>", "停水"),
        ("９：００", "上午九点"),
    ],
)
def test_figures_are_said_as_neighbours_say_them(written: str, spoken: str) -> None:
    assert said(written) == spoken


@given(st.integers(0, 10**8 - 1))
@settings(max_examples=60, deadline=None)
def test_a_number_said_in_words_is_the_same_number(number: int) -> None:
    assert _understood(whole(number)) == number


@given(st.integers(0, 23), st.integers(0, 59))
@settings(max_examples=40, deadline=None)
def test_a_time_of_day_said_in_words_is_the_same_time(hour: int, minute: int) -> None:
    told = moment("", hour, minute)
    found = re.fullmatch(r"(凌晨|早上|上午|中午|下午|晚上)(.+?)点(半|(?:零?(.+)分))?", told or "")
    assert found is not None
    spoken = _understood(found[2].replace("两", "二"))
    late = found[1] in ("下午", "晚上")
    assert (spoken + 12 if late else spoken) == hour
    assert (30 if found[3] == "半" else _understood(found[4]) if found[3] else 0) == minute


@given(st.from_regex(r"0[0-9]{2,3}-[2-8][0-9]{6,7}", fullmatch=True) | st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
@settings(max_examples=40, deadline=None)
def test_a_telephone_number_is_read_digit_by_digit_with_yao_for_one(number: str) -> None:
    spoken = said(f"请致电{number}，谢谢")
    digits = [char for char in spoken if char in DIGITS or char == "幺"]
    assert "".join(str((each == "幺" and 1) or DIGITS.find(each)) for each in digits) == number.replace("-", "")
    assert "一" not in digits
    assert singly(number) in spoken


LIKELY = "停水通知，。（）【】12:30 0724-1000001 <b>\n★😀&#@%℃2026-11-22 http://a.b/c"
AWKWARD = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(LIKELY)), max_size=600)


@given(AWKWARD, AWKWARD, st.sampled_from(["routine", "urgent", "emergency", "drill"]), st.sampled_from(["zh", "en"]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_it_can_be_said_and_ends(title: str, text: str, priority: str, lang: str) -> None:
    message = replace(WATER, title=title, text=text, priority=priority, lang=lang)  # type: ignore[arg-type]
    spoken = speech(message)
    assert spoken == speech(message)
    assert 0 < len(spoken.text) <= CHARS_MAX
    assert not re.search(r"[<>&#*_\[\]{}()（）【】★\x00-\x1f:/\\|@%]", spoken.text)
    assert not re.search("[\U0001f300-\U0001faff]", spoken.text)
    assert spoken.times == (2 if priority == "emergency" else 1)


def test_what_is_left_out_is_said_to_be_elsewhere_and_no_sentence_is_cut_in_two() -> None:
    long = "".join(f"第{number}条，请各位居民注意安全。" for number in range(1, 60))
    spoken = speech(replace(WATER, text=long))
    assert spoken.cut
    assert "全文请看手机，或询问社区工作人员。" in spoken.text
    assert spoken.text.endswith("浏河社区居委会。")
    assert "请各位居民注意。" not in spoken.text
    assert not speech(WATER).cut


def test_it_is_said_in_the_order_of_a_poster_and_a_drill_says_so_at_both_ends() -> None:
    order = ["通知。", "停水通知。", "今晚停水。", "浏河社区居委会。"]
    places = [speech(WATER).text.index(each) for each in order]
    assert places == sorted(places)
    drill = speech(replace(WATER, priority="drill")).text
    assert drill.startswith("演练，")
    assert drill.endswith("以上是演练。")
    assert "今晚停水" not in speech(replace(WATER, kind=RETRACTION)).text


def test_english_reads_a_telephone_number_singly_too() -> None:
    spoken = speech(replace(WATER, lang="en", title="Water", text="Call 0724-1000001 or 119 at 14:30 (now). Stay in."))
    assert "0 7 2 4 1 0 0 0 0 0 1 or 1 1 9 at 2 30 pm, now. Stay in." in spoken.text


_PLACES = {"万": 10**4, "千": 1000, "百": 100, "十": 10}


def _understood(spoken: str) -> int:
    """A listener of its own, so that the test does not repeat the speaker."""
    total, section, digit = 0, 0, 0
    for char in spoken:
        if char in DIGITS:
            digit = DIGITS.index(char)
        elif char == "万":
            total, section, digit = (section + digit) * 10**4, 0, 0
        else:
            section += (digit or 1) * _PLACES[char]
            digit = 0
    return total + section + digit
