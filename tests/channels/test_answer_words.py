"""What somebody means who answers in their own words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.answer import Said, understood

CASES = [
    ("1", Said("received")), ("１", Said("received")), (" １。 ", Said("received")), ("收到！", Said("received")),
    ("OK", Said("received")), ("好的，收到", Said("received")), ("知道了~", Said("received")),
    ("2", Said("question")), ("２", Said("question")), ("有疑问", Said("question")), ("我有问题。", Said("question")),
    ("2 几点来水", Said("question", "几点来水")), ("２、几点来水？", Said("question", "几点来水?")),
    ("有疑问：几点来水", Said("question", "几点来水")), ("几点来水？", Said("question", "几点来水?")),
    ("明天还停吗", Said("question", "明天还停吗")),
    ("3", Said("help")), ("３ ", Said("help")), ("需要帮助", Said("help")), ("3，家里没水", Said("help", "家里没水")),
    ("求助 走不动了", Said("help", "走不动了")), ("HELP", Said("help")),
    ("T", Said("stop")), ("ｔｄ", Said("stop")), ("退订", Said("stop")), ("退订。", Said("stop")),
    ("", Said("")), ("   ", Said("")), ("4", Said("")), ("12", Said("")),
    ("2号楼知道", Said("")), ("3天后再说", Said("")),
    ("？", Said("")), ("在开会，稍后联系", Said("")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "meant"), CASES)
def test_an_answer_is_understood_as_it_was_meant(words: str, meant: Said) -> None:
    assert understood(words) == meant


PAD = st.text(st.sampled_from(" 　\t。.!！~"), max_size=4)


@settings(max_examples=60)
@given(
    PAD,
    st.sampled_from([("1", "１", "收到"), ("2", "２", "有疑问"), ("3", "３", "需要帮助")]),
    PAD,
    st.text(max_size=40),
)
def test_width_blanks_and_stops_change_no_meaning_and_nothing_raises(
    before: str, ways: tuple[str, ...], after: str, anything: str
) -> None:
    assert len({understood(f"{before}{each}{after}").kind for each in (*ways, f" {ways[0]} ")}) == 1
    assert understood(anything).kind in ("received", "question", "help", "stop", "")
