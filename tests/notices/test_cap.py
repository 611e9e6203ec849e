"""CAP in and out: what is read, what is refused with which sentence, and which warnings stand in any order."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.notices import cap, cap_chain, cap_read, cap_write
from hub.civic.notices.cap import Alert, Area, BadAlert, Identity, Info
from hub.i18n import speaking

CHINA = timezone(timedelta(hours=8))
SENT = datetime(2026, 11, 22, 2, 14, tzinfo=CHINA)
RAIN = Info(
    language="zh-CN", category=("Met",), event="暴雨", urgency="Immediate", severity="Extreme", certainty="Observed",
    effective=SENT, onset=None, expires=SENT + timedelta(hours=6), sender_name="东宝区气象台",
    headline="东宝区气象台发布暴雨红色预警", description="过去3小时降雨量已达100毫米以上", instruction="请勿外出",
    web="", contact="12379", response=("Shelter",), codes=(("OET", "11B03"),), parameters=(),
    areas=(Area("东宝区", (("CN", "420802000000"),), ("31.0,112.1 31.1,112.1 31.1,112.2 31.0,112.1",)),),
)  # fmt: skip


def alert(name: str = "a1", minutes: int = 0, kind: str = "Alert", *, of: tuple[Identity, ...] = ()) -> Alert:
    return Alert(
        identity=Identity("weather.dongbao", name, (SENT + timedelta(minutes=minutes)).astimezone(UTC)),
        version="1.2", status="Actual", kind=kind, scope="Public", source="", restriction="", addresses=(), codes=(),
        note="", references=of, incidents=(), infos=() if kind == "Cancel" else (RAIN,),
    )  # fmt: skip


def wire(old: str = "", new: str = "", **changed: str) -> bytes:
    """The warning as bytes, with some of its text exchanged: what an issuer's own software may send."""
    text = cap_write.write(alert()).decode()
    assert old in text
    text = text.replace(old, new) if old else text
    for name, value in changed.items():
        text, found = re.subn(rf"<cap:{name}>[^<]*</cap:{name}>", f"<cap:{name}>{value}</cap:{name}>", text, count=1)
        assert found == 1, name
    return text.encode()


def refusal(body: bytes) -> BadAlert:
    with pytest.raises(BadAlert) as said:
        cap_read.parse(body)
    return said.value


def test_a_warning_reads_as_it_was_written() -> None:
    read = cap_read.parse(cap_write.write(alert()))
    assert read.identity == Identity("weather.dongbao", "a1", datetime(2026, 11, 21, 18, 14, tzinfo=UTC))
    assert read.infos[0].headline == "东宝区气象台发布暴雨红色预警"
    assert read.infos[0].areas[0].geocodes == (("CN", "420802000000"),)
    assert read.infos[0].colour == "red"
    assert read.expires() == SENT + timedelta(hours=6)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
INSTANTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda unix_s: datetime.fromtimestamp(unix_s, UTC))
TOKENS = st.from_regex(r"[A-Za-z0-9.@_-]{1,20}", fullmatch=True)
IDENTITIES = st.builds(Identity, TOKENS, TOKENS, INSTANTS)
PAIRS = st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple)
INFOS = st.builds(
    Info, language=st.sampled_from(("zh-CN", "en-US")), category=st.lists(st.sampled_from(cap.CATEGORY), min_size=1,
    max_size=3).map(tuple), event=WORDS, urgency=st.sampled_from(cap.URGENCY), severity=st.sampled_from(cap.SEVERITY),
    certainty=st.sampled_from(cap.CERTAINTY), effective=st.none() | INSTANTS, onset=st.none() | INSTANTS,
    expires=st.none() | INSTANTS, sender_name=WORDS, headline=WORDS, description=WORDS, instruction=WORDS,
    web=WORDS, contact=WORDS, response=st.lists(WORDS, max_size=2).map(tuple), codes=PAIRS, parameters=PAIRS,
    areas=st.lists(st.builds(Area, WORDS, PAIRS), max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=60)
@given(IDENTITIES, st.lists(INFOS, min_size=1, max_size=3), st.lists(IDENTITIES, min_size=1, max_size=3))
def test_whatever_is_written_is_read_back_the_same(name: Identity, infos: list[Info], of: list[Identity]) -> None:
    before = tuple(each for each in of if each.sent <= name.sent and each != name)
    made = replace(alert(), identity=name, infos=tuple(infos), kind="Update" if before else "Alert", references=before)
    assert cap_read.parse(cap_write.write(made)) == made


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<!DOCTYPE alert []>" + wire().split(b"?>")[1], "doctype"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "doctype"),
        (b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>', "doctype"),
        (wire() + b" " * cap_read.BYTES_MAX, "too-large"),
        (b"\x00\xff not xml", "not-xml"),
        (b"", "not-xml"),
        (b"<?xml version='1.0' encoding='EBCDIC-X'?><a/>", "not-xml"),
        (b'<?xml version="1.0" encoding="GBK"?><a>\xff\xff</a>', "encoding"),
        (wire("cap:1.2", "cap:9.9"), "namespace"),
        (b"<alert/>", "namespace"),
        (wire(identifier="has blank"), "blank"),
        (wire(sender="a,b"), "blank"),
        (wire(sent="2026-11-22T02:14:00"), "time"),
        (wire(sent="yesterday"), "time"),
        (wire(sent="0001-01-01T00:00:00+14:00"), "time"),
        (wire(status="Real"), "word"),
        (wire(severity="Red"), "word"),
        (wire(category="Weather"), "word"),
        (wire(msgType="Update"), "references"),
        (wire(msgType="Cancel"), "references"),
        (wire(scope="Restricted"), "restriction"),
        (wire(scope="Private"), "addresses"),
        (wire("<cap:event>暴雨</cap:event>", ""), "missing"),
        (wire("<cap:event>暴雨</cap:event>", "<cap:event>甲</cap:event><cap:event>乙</cap:event>"), "twice"),
        (wire(description="雨" * 20_001), "too-long"),
    ],
)
def test_what_is_no_warning_is_refused_with_a_sentence(body: bytes, code: str) -> None:
    said = refusal(body)
    assert said.code == code
    with speaking("zh"):
        assert re.search("[一-鿿]", refusal(body).sentence), "the sentence has its Chinese"


def test_references_name_older_messages_and_never_themselves() -> None:
    first = alert()
    assert refusal(cap_write.write(alert("a2", 5, "Update", of=(alert("a2", 5).identity,)))).code == "itself"
    assert refusal(cap_write.write(alert("a0", -5, "Cancel", of=(first.identity,)))).code == "later"
    update = cap_write.write(alert("a2", 5, "Update", of=(first.identity,))).decode()
    assert refusal(update.replace("weather.dongbao,a1,", "weather.dongbao;a1;").encode()).code == "reference"


def test_an_alert_with_a_thousand_parts_is_refused_before_it_costs_memory() -> None:
    part = "<cap:info><cap:category>Met</cap:category></cap:info>"
    assert refusal(wire("</cap:alert>", part * 1_000 + "</cap:alert>")).code == "too-many"


def test_cap_1_1_and_old_words_of_real_feeds_are_read() -> None:
    read = cap_read.parse(wire("cap:1.2", "cap:1.1"))
    assert read.version == "1.1"
    assert cap_read.parse(wire(certainty="Very Likely")).infos[0].certainty == "Likely"
    assert cap_read.parse(wire(sent="2026-11-21T18:14:00Z")).identity == alert().identity


@pytest.mark.parametrize("name", ["GB2312", "gbk", "GB18030"])
def test_a_chinese_encoding_is_read(name: str) -> None:
    text = wire().decode().split("?>", 1)[1]
    body = f'<?xml version="1.0" encoding="{name}"?>{text}'.encode("gb18030")
    assert cap_read.parse(body).infos[0].event == "暴雨"


def test_latin_1_is_read() -> None:
    text = wire(senderName="Météo").decode().split("?>", 1)[1]
    ascii_only = re.sub("[一-鿿]", "x", text)
    body = f'<?xml version="1.0" encoding="ISO-8859-1"?>{ascii_only}'.encode("latin-1")
    assert cap_read.parse(body).infos[0].sender_name == "Météo"


@pytest.mark.parametrize(
    ("headline", "severity", "colour"),
    [("暴雨红色预警", "Extreme", "red"), ("大风橙色预警", "Severe", "orange"), ("", "Moderate", "yellow"),
     ("", "Minor", "blue"), ("", "Unknown", ""), ("暴雨蓝色预警", "Extreme", "blue")],
)  # fmt: skip
def test_the_issuers_own_colour_word_comes_before_the_severity(headline: str, severity: str, colour: str) -> None:
    assert replace(RAIN, headline=headline, severity=severity).colour == colour


def test_the_reader_gets_their_language_where_there_is_one() -> None:
    both = replace(alert(), infos=(RAIN, replace(RAIN, language="en-US", event="Rainstorm")))
    assert both.info("en").event == "Rainstorm"
    assert both.info("zh-Hans").event == "暴雨"
    assert replace(both, infos=(RAIN,)).info("en").event == "暴雨"


def ids(alerts: list[Alert]) -> list[str]:
    return [each.identity.identifier for each in alerts]


def test_every_order_of_arrival_leaves_the_same_warnings_standing() -> None:
    a1 = alert("a1")
    u1 = alert("u1", 1, "Update", of=(a1.identity,))
    u2 = alert("u2", 2, "Update", of=(u1.identity,))
    b1 = alert("b1", 3)
    c1 = alert("c1", 4, "Cancel", of=(b1.identity,))
    now = SENT + timedelta(minutes=10)
    orders = list(itertools.permutations((a1, u1, u2, b1, c1)))
    assert len(orders) == 120
    assert {tuple(ids(cap_chain.standing(order, now))) for order in orders} == {("u2",)}


def test_a_cancellation_that_comes_first_wins() -> None:
    a1 = alert()
    c1 = alert("c1", 1, "Cancel", of=(a1.identity,))
    assert cap_chain.standing([c1], SENT) == []
    assert cap_chain.standing([c1, a1], SENT) == []


def test_only_its_own_sender_ends_a_warning_and_an_exercise_never_ends_a_real_one() -> None:
    a1 = alert()
    other = replace(alert("x", 1, "Cancel", of=(a1.identity,)), identity=Identity("other.office", "x", SENT))
    drill = replace(alert("d", 1, "Cancel", of=(a1.identity,)), status="Exercise")
    assert ids(cap_chain.standing([a1, other, drill], SENT)) == ["a1"]


def test_tests_drafts_and_private_messages_never_stand_and_an_end_is_an_end() -> None:
    for status in ("Test", "Draft", "System"):
        assert cap_chain.standing([replace(alert(), status=status)], SENT) == []
    assert cap_chain.standing([replace(alert(), scope="Private", addresses=("a",))], SENT) == []
    assert ids(cap_chain.standing([replace(alert(), status="Exercise")], SENT)) == ["a1"]
    assert cap_chain.standing([alert()], SENT + timedelta(hours=6)) == []


@settings(max_examples=100)
@given(st.data())
def test_random_chains_agree_with_a_model_that_replays_them_in_order(data: st.DataObject) -> None:
    """The model walks the messages by time of sending and strikes names from a list; ours sees them shuffled."""
    made: list[Alert] = []
    for place in range(data.draw(st.integers(1, 10))):
        of = tuple(each.identity for each in data.draw(st.lists(st.sampled_from(made), max_size=2))) if made else ()
        kind = data.draw(st.sampled_from(("Update", "Cancel"))) if of else "Alert"
        made.append(alert(f"n{place}", place, kind, of=of))
    model: list[str] = []
    for each in made:
        model = [name for name in model if name not in {gone.identifier for gone in each.references}]
        model += [each.identity.identifier] if each.kind != "Cancel" else []
    shuffled = data.draw(st.permutations(made + made[:2]))
    assert sorted(ids(cap_chain.standing(shuffled, SENT))) == sorted(model)


@settings(max_examples=150)
@given(st.data())
def test_mutated_bytes_are_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    body = bytearray(wire())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            body[place] = data.draw(st.integers(0, 255))
        else:
            del body[place : place + data.draw(st.integers(1, 40))]
    try:
        found = cap_read.parse(bytes(body))
    except BadAlert:
        return
    assert found.infos
