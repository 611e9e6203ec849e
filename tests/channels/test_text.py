"""Text is cut where a reader would pause, and never through a character, a word or a number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.text import ELLIPSIS, clean, clusters, cut, one_line, wrap

LIKELY = "停水通知，。！（）《》12:30 aé\n\u0301\u200d👨👩🇨🇳👍🏽"
TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(LIKELY)), max_size=120)


@pytest.mark.parametrize(
    ("text", "chars_max", "reads"),
    [
        ("停水通知", 20, "停水通知"),
        ("因管道检修，今天上午8时至12时停水，请做好准备，谢谢配合", 20, "因管道检修，今天上午8时至12时停水…"),
        ("请居民朋友们于本周六上午到社区一楼大厅领取", 20, "请居民朋友们于本周六上午到社区一楼大厅…"),
        ("请居民朋友们携带证件来社区领取补贴共1200元", 20, "请居民朋友们携带证件来社区领取补贴共…"),
        ("The water is off from 20:00 to 23:00", 24, "The water is off from…"),
        ("Donaudampfschifffahrtsgesellschaft", 12, "Donaudampfs…"),
        ("关于《社区公约》的说明（修订）第二稿", 13, "关于《社区公约》的说明…"),
        ("好", 0, ""),
        ("好的呀", 1, "…"),
    ],
)
def test_a_cut_falls_where_a_reader_would_pause(text: str, chars_max: int, reads: str) -> None:
    assert cut(text, chars_max) == reads


def test_half_a_number_is_never_left_standing() -> None:
    text = "今天起至2026年12月31日止每人每天可领取1200毫升"
    for chars_max in range(4, len(text)):
        kept = cut(text, chars_max).removesuffix(ELLIPSIS)
        following = text[len(kept) : len(kept) + 1]
        assert not (kept[-1].isdigit() and following.isdigit()), kept


@given(TEXTS, st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_cut_text_is_short_enough_and_a_beginning_of_the_whole(text: str, chars_max: int) -> None:
    short = cut(text, chars_max)
    assert len(short) <= chars_max
    if short != text and short:
        kept = short.removesuffix(ELLIPSIS)
        assert text.startswith(kept)
        assert "".join(clusters(text)) == text
        edges, at = {0}, 0
        for cluster in clusters(text):
            at += len(cluster)
            edges.add(at)
        assert len(kept) in edges, "cut through a character"


@given(TEXTS, st.integers(12, 18))
@settings(max_examples=300, deadline=None)
def test_wrapped_lines_fit_and_lose_nothing_but_space(text: str, chars_max: int) -> None:
    lines = wrap(text, chars_max)
    assert all(0 < len(line) <= chars_max for line in lines)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())


def test_no_line_begins_with_a_stop_or_ends_with_an_open_bracket() -> None:
    text = "请各位居民朋友注意防火安全，离家请关电（含充电器）。谢谢！《消防公约》见公告栏，「平安」从我做起。"
    for chars_max in range(6, 30):
        for line in wrap(text, chars_max):
            assert line[0] not in "，。！）》」", (chars_max, line)
            assert line[-1] not in "（《「", (chars_max, line)


def test_times_and_telephone_numbers_stay_on_one_line() -> None:
    lines = wrap("今天14:00至18:30停水，详询0724-2331234或到社区大厅", 12)
    assert [line for line in lines if "14:00" in line]
    assert [line for line in lines if "18:30" in line]
    assert [line for line in lines if "0724-2331234" in line]


def test_what_could_make_a_text_read_as_another_is_taken_out() -> None:
    assert clean("停\u202e水\x00通\u2066知\r\n\r\n今晚\u2028八点") == "停水通知\n\n今晚\n八点"
    assert one_line("停水\n\n通知\u3000 今晚 ") == "停水 通知 今晚"
