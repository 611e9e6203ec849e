"""English sentences with numbers: one person, two people."""

from __future__ import annotations

import pytest

from hub.i18n import _, speaking, translate


@pytest.mark.parametrize(
    ("msgid", "given", "said"),
    [
        ("{n} people", {"n": "1"}, "1 person"),
        ("{n} people", {"n": "1,001"}, "1,001 people"),
        ("{n} people", {"n": 21}, "21 people"),
        ("seen by {seen} of {people} people", {"seen": 1, "people": 1}, "seen by 1 of 1 person"),
        ("{n} visits wait for a worker", {"n": 1}, "1 visit waits for a worker"),
        ("{n} new messages", {"n": 1}, "1 new message"),
        ("{n} residents, {m} activities", {"n": 2, "m": 1}, "2 residents, 1 activity"),
        ("{time} was long ago, {n} tries", {"time": 1, "n": 0}, "1 was long ago, 0 tries"),
        ("{name} has it", {"name": "1"}, "1 has it"),
    ],
)
def test_a_number_of_one_is_followed_by_one(msgid: str, given: dict[str, object], said: str) -> None:
    assert translate(msgid, "en").format(**given) == said


def test_a_sentence_without_numbers_is_itself_and_chinese_has_no_plural() -> None:
    assert type(translate("Not reached yet", "en")) is str
    with speaking("zh"):
        assert _("{n} people").format(n=1) == "1人"
