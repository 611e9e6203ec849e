"""The 25 kinds and their fields: whole in both languages, in the order of a poster, wrong input said in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.text import clean
from hub.civic.notices import fields, forms, kinds
from hub.civic.notices.forms import Draft
from hub.errors import Refused
from hub.i18n import speaking

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai
ZONE = "Asia/Shanghai"
KINDS = kinds.every()
WATER = KINDS["water"]
SPOKEN = {"晚饭后。": "after supper.", "即刻起": "at once"}


def ready(ident: str, **changes: str) -> dict[str, str]:
    return KINDS[ident].ready(NOW.date()) | changes


def built(ident: str, **changes: str) -> fields.Built:
    return fields.built(KINDS[ident], ready(ident, **changes), NOW, ZONE)


def test_there_are_the_25_kinds_and_each_is_whole_in_both_languages() -> None:
    assert len(KINDS) == 25
    for kind in KINDS.values():
        assert all((kind.zh, kind.en, kind.title, kind.title_en))
        assert len(kind.title) <= 18
        assert kind.needs <= {each.id for each in kind.fields}
        values = kind.ready(NOW.date()) | ({"reason": "请看", "reason_en": "Look"} if kind.id == kinds.FREE else {})
        made = fields.built(kind, values, NOW, ZONE)
        assert len(made.text.splitlines()) == len(made.text_en.splitlines()) >= 2
        assert not set("{}") & set(made.text + made.text_en)
        assert all(char < "\u4e00" for char in made.text_en)


def test_the_body_stands_in_the_order_of_a_standard_poster() -> None:
    assert built("water").text.splitlines() == [
        "尊敬的居民朋友：",
        "因供水主管道检修，需要临时停水。",
        "时间：11月23日8:00至18:00。",
        "范围：2栋、3栋、5栋。",
        "温馨提示：请提前储水，并关好水龙头。",
    ]


@pytest.mark.parametrize(
    ("begin", "end", "words", "zh", "en"),
    [
        ("2026-11-23T08:00", "2026-11-23T18:30", "", "11月23日8:00至18:30", "23 November, 8:00 to 18:30"),
        ("2026-11-23T22:00", "2026-11-24T06:00", "", "11月23日22:00至11月24日6:00",
         "23 November, 22:00 to 24 November, 6:00"),
        ("2026-12-31T08:00", "2027-01-01T08:00", "", "12月31日8:00至2027年1月1日8:00",
         "31 December, 8:00 to 1 January 2027, 8:00"),
        ("2026-11-23T19:00", "", "晚饭后。", "11月23日19:00，晚饭后", "23 November, 19:00, after supper"),
        ("", "", "即刻起", "即刻起", "at once"),
    ],
)  # fmt: skip
def test_a_time_is_said_to_the_hour_in_both_languages(begin: str, end: str, words: str, zh: str, en: str) -> None:
    made = built("water", begin=begin, end=end, time=words, time_en=SPOKEN.get(words, ""))
    assert f"时间：{zh}。" in made.text
    assert f"Time: {en}." in made.text_en


def test_the_notice_ends_when_what_it_tells_of_is_over() -> None:
    assert built("water").ends == datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    assert built("elder_allowance").ends == datetime(2026, 12, 2, 16, 0, tzinfo=UTC)  # its last day is whole
    assert built("council").ends == datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
    assert built("waste").ends is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"place": ""}, "Fill in: Area concerned"),
        ({"begin": "", "end": ""}, "Fill in: Time"),
        ({"begin": ""}, "Say also when it begins"),
        ({"end": "2026-11-23T07:00"}, "It ends before it begins"),
        ({"begin": "2026-11-22T08:00", "end": "2026-11-22T10:59"}, "over already: 2026-11-22 10:59"),
        ({"begin": "2062-11-23T08:00", "end": "2062-11-23T09:00"}, "more than a year away"),
        ({"begin": "tomorrow"}, "Write the time as"),
        ({"advice_en": ""}, "The English side lacks: Advice"),
        ({"place": "栋" * 301}, "Area concerned has at most 300 characters"),
    ],
)
def test_wrong_input_is_said_in_one_clear_sentence(changes: dict[str, str], sentence: str) -> None:
    with speaking("en"), pytest.raises(Refused, match=sentence):
        built("water", **changes)


def test_a_number_of_seats_is_a_number_and_what_has_begun_may_go_on() -> None:
    with speaking("en"), pytest.raises(Refused, match="Places is a whole number"):
        built("phone_class", seats="many")
    assert "名额：20人。" in built("phone_class", seats="２０").text
    assert "11月22日8:00至12:00" in built("water", begin="2026-11-22T08:00", end="2026-11-22T12:00").text


def test_without_english_nobody_is_told_half_of_it() -> None:
    bare = {name: "" for name in fields.names(WATER) if name.endswith("_en")}
    assert built("water", **bare).text_en == ""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("0724-1000001", "0724-1000001"), ("（０７２４）1000001", "0724-1000001"), ("12345, 110", "12345、110"),
     ("+86 724 1000001", "+86 724 1000001"), ("0724-1000001转12", "0724-1000001转12"), ("", "")],
)  # fmt: skip
def test_telephone_numbers_are_written_alike(typed: str, kept: str) -> None:
    assert fields.phone(typed) == kept


@pytest.mark.parametrize("typed", ["call me", "12", "<b>12345</b>", "12345x", "1" * 21, "--------", "12345、谁"])
def test_what_is_no_telephone_number_is_refused(typed: str) -> None:
    with pytest.raises(Refused):
        fields.phone(typed)


TYPED = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["{}", "{0.__class__}", "{{ 7*7 }}", "%s", "2026-11-23T08:00", "2026-13-45", "。。。", "\u202e倒", "1"]
    ),
)


@given(st.sampled_from(sorted(KINDS)), st.data())
@settings(max_examples=30)
def test_whatever_is_typed_becomes_its_own_words_or_one_sentence(ident: str, data: st.DataObject) -> None:
    names = fields.names(KINDS[ident])
    values = ready(ident) | data.draw(st.dictionaries(st.sampled_from(names), TYPED, max_size=4))
    try:
        made = fields.built(KINDS[ident], values, NOW, ZONE)
    except Refused:
        return
    for each in KINDS[ident].fields:
        if each.type in ("line", "lines") and each.id != "salutation":
            assert clean(values.get(each.id, "")).strip("。．.；;，,、 \n") in made.text
    assert made.text == clean(made.text)  # nothing invisible came in
    assert fields.read(fields.kept(KINDS[ident], values)) == {
        name: clean(values[name]) for name in names if clean(values.get(name, ""))
    }


@given(st.text(max_size=200), st.sampled_from(sorted(KINDS)))
@settings(max_examples=30)
def test_between_fields_and_free_text_nothing_typed_is_lost(text: str, ident: str) -> None:
    given_fields = ready(ident)
    draft = forms.from_kind(ident, "420802001013", NOW)
    free = Draft(dict(draft.values) | {"text": text}, fields=given_fields, by_fields=False)
    back = free.turned("fields", NOW)
    assert dict(back.fields) == given_fields
    assert back.values["text"] == text
    if ident != kinds.FREE:
        assert back.turned("free", NOW).values["text"] == built(ident).text
    first = Draft(dict(draft.values) | {"text": text}, by_fields=False).turned("fields", NOW)
    assert first.fields["reason"] == text


def test_a_copy_leaves_days_behind_that_have_passed() -> None:
    from hub.civic.notices.models import Notice

    notice = Notice(
        id="n", kind="water", priority="routine", title="停水通知", text="x", issuer="i", place="1", everybody=True,
        audience='{"areas": ["420802001013"]}', rank=1, expires=NOW, drafted_by="s", drafted_at=NOW,
        template=WATER.template, fields=fields.kept(WATER, ready("water")), not_before=NOW,
    )  # fmt: skip
    again = forms.copy_of(notice, NOW + timedelta(days=30))
    assert (again.notice, again.copied, again.values["expires"], again.by_fields) == ("", "n", "", True)
    assert "begin" not in again.fields
    assert again.fields["place"] == "2栋、3栋、5栋"
    assert forms.copy_of(notice, NOW).fields["begin"] == "2026-11-23T08:00"
