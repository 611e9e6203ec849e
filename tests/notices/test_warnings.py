"""Another office's warning: taken as it stands, relayed by two people, replaced by its update, ended by its issuer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.access import Grant, Subject
from hub.civic.notices import active, cap_feed, cap_read, cap_write, cards, desk, warnings
from hub.civic.notices.cap import Alert, Area, BadAlert, Identity
from hub.civic.notices.models import CapMessage, Notice
from hub.db import Read
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from tests.notices.office import Office, open_office
from tests.notices.test_cap import RAIN, alert
from tests.world import DISTRICT, LIUHE, START, permissions

NOW = START


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def bureau(office: Office) -> Subject:
    """The weather bureau's own token, for the district."""
    path = office.publisher.grants[0].area_path
    return replace(
        office.publisher, id="token-department-x", kind="token", person=None, grants=(Grant("department", path),)
    )


def rain(office: Office, name: str = "a1", minutes: int = 0, kind: str = "Alert", of: tuple[Any, ...] = ()) -> Alert:
    now = office.clock.now().replace(microsecond=0)
    info = replace(
        RAIN, effective=now, expires=now + timedelta(hours=6), areas=(Area("东宝区", (("CN", DISTRICT[:6]),)),)
    )
    made = alert(name, 0, kind, of=of)
    at = now + timedelta(minutes=minutes)
    return replace(made, identity=Identity("weather.dongbao", name, at), infos=() if kind == "Cancel" else (info,))


def send(office: Office, *said: Alert) -> list[str]:
    who = bureau(office)
    return [
        office.store.write_now(lambda tx, each=each: warnings.take_all(tx, who, cap_write.write(each))[0].id)
        for each in said
    ]


def relay(office: Office, ident: str, *, sign: bool = True) -> Notice:
    made = office.store.write_now(lambda tx: warnings.relay(tx, office.publisher, ident, [LIUHE]))
    if sign:
        return office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))
    return made


def covering(office: Office) -> cards.Shown | None:
    found: cards.Shown | None = office.store.read_now(lambda read: cards.overlay(read, LIUHE))["item"]
    return found


def titles(office: Office) -> list[str]:
    return office.store.read_now(lambda read: [each.title for each in active.notices_of(read, LIUHE)])


def waiting(office: Office) -> list[str]:
    paths = [office.publisher.grants[0].area_path]
    found = office.store.read_now(lambda read: warnings.waiting(read, paths))
    return [each.alert.identity.identifier for each in found]


def test_nothing_is_shown_before_two_people_have_signed_and_then_it_is_the_issuers_words(office: Office) -> None:
    (ident,) = send(office, rain(office))
    assert covering(office) is None
    made = relay(office, ident, sign=False)
    assert covering(office) is None
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: desk.approve(tx, office.publisher, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))
    shown = covering(office)
    assert shown is not None
    assert shown.title == "东宝区气象台发布暴雨红色预警"
    assert shown.priority == "emergency"
    assert "预警等级：红色（特别严重）" in shown.text
    assert "发布单位：东宝区气象台" in shown.text
    assert shown.issuer == "东宝区气象台"


def test_nobody_here_changes_the_words_or_the_colour(office: Office) -> None:
    from tests.notices.office import words

    (ident,) = send(office, rain(office))
    made = relay(office, ident, sign=False)
    with pytest.raises(Conflict, match="发布单位的原文"):
        office.store.write_now(lambda tx: desk.revise(tx, office.publisher, made.id, words()))


def test_the_issuers_cancellation_ends_the_relay_at_once_with_its_all_clear(office: Office) -> None:
    first = rain(office)
    (ident,) = send(office, first)
    relay(office, ident)
    send(office, rain(office, "c1", 1, "Cancel", (first.identity,)))
    shown = covering(office)
    assert shown is not None
    assert shown.form == "clear"
    assert titles(office) == ["解除：东宝区气象台发布暴雨红色预警"]


def test_an_update_stands_in_the_place_of_what_it_updates_when_it_is_relayed(office: Office) -> None:
    first = rain(office)
    (ident,) = send(office, first)
    relay(office, ident)
    newer = rain(office, "u1", 1, "Update", (first.identity,))
    newer = replace(newer, infos=(replace(newer.infos[0], headline="东宝区气象台变更暴雨橙色预警", severity="Severe"),))
    (update,) = send(office, newer)
    assert titles(office) == ["东宝区气象台发布暴雨红色预警"], "until two people have looked, the old one stands"
    relay(office, update)
    assert titles(office) == ["东宝区气象台变更暴雨橙色预警"]


def test_a_draft_of_a_warning_that_is_gone_cannot_be_released(office: Office) -> None:
    first = rain(office)
    (ident,) = send(office, first)
    made = relay(office, ident, sign=False)
    send(office, rain(office, "c1", 1, "Cancel", (first.identity,)))
    with pytest.raises(NotFound):
        office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))


def test_a_message_sent_again_is_the_same_one_and_other_words_under_its_name_are_refused(office: Office) -> None:
    first = rain(office)
    assert send(office, first) == send(office, first)
    forged = replace(first, infos=(replace(first.infos[0], description="别的话"),))
    with pytest.raises(Conflict):
        send(office, forged)


def test_a_sender_warns_for_its_own_areas_only(office: Office) -> None:
    district = cap_write.write(rain(office))
    smaller = replace(bureau(office), grants=(Grant("department", f"{office.publisher.grants[0].area_path}/x"),))
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: warnings.take_all(tx, smaller, district))


def test_tests_and_private_messages_never_wait_and_an_exercise_is_relayed_as_a_drill(office: Office) -> None:
    send(office, replace(rain(office, "t1"), status="Test"))
    send(office, replace(rain(office, "p1"), scope="Private", addresses=("x",)))
    (ident,) = send(office, replace(rain(office, "e1"), status="Exercise"))
    assert waiting(office) == ["e1"]
    made = office.store.write_now(lambda tx: warnings.relay(tx, office.publisher, ident, [LIUHE]))
    assert (made.priority, made.title[:4]) == ("drill", "【演练】")


def test_it_is_relayed_once_and_only_where_it_holds(office: Office) -> None:
    (ident,) = send(office, rain(office))
    with pytest.raises(Refused):
        office.store.write_now(lambda tx: warnings.relay(tx, office.publisher, ident, []))
    relay(office, ident, sign=False)
    with pytest.raises(Conflict):
        relay(office, ident)
    assert waiting(office) == []


def test_put_aside_it_waits_no_more_and_says_why(office: Office) -> None:
    (ident,) = send(office, rain(office))
    with pytest.raises(Refused):
        office.store.write_now(lambda tx: warnings.put_aside(tx, office.publisher, ident, " "))
    office.store.write_now(lambda tx: warnings.put_aside(tx, office.publisher, ident, "与本地无关"))
    assert waiting(office) == []
    with pytest.raises(Conflict):
        relay(office, ident)


def test_whoever_answers_for_another_place_does_not_see_it(office: Office) -> None:
    (ident,) = send(office, rain(office))
    stranger = replace(office.director, grants=(Grant("director", "420900000000/420902000000"),))
    assert permissions() is not None
    with pytest.raises(NotFound):
        office.store.read_now(lambda read: warnings.visible(read, stranger, ident))


def test_a_feed_is_taken_whole_or_not_at_all(office: Office) -> None:
    who = bureau(office)
    both = cap_feed.feed([rain(office, "f1"), rain(office, "f2")], "https://weather.example", NOW)
    rows = office.store.write_now(lambda tx: warnings.take_all(tx, who, both))
    assert len(rows) == 2
    empty = cap_feed.feed([], "https://weather.example", NOW)
    with pytest.raises(BadAlert, match="没有预警正文"):
        office.store.write_now(lambda tx: warnings.take_all(tx, who, empty))
    broken = both.replace(b"Extreme", b"Red", 2).replace(b">f1<", b">g1<")
    with pytest.raises(BadAlert):
        office.store.write_now(lambda tx: warnings.take_all(tx, who, broken))
    assert sorted(waiting(office)) == ["f1", "f2"]


def test_what_we_tell_others_is_read_by_our_own_reader_and_ends_with_a_cancel(office: Office) -> None:
    (ident,) = send(office, rain(office))
    made = relay(office, ident)
    said = office.store.read_now(cap_feed.alerts)
    assert [each.kind for each in said] == ["Alert"]
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "The warning is lifted"))
    office.clock.advance(1)
    said = office.store.read_now(cap_feed.alerts)
    assert [each.kind for each in said] == ["Cancel", "Alert"]
    assert said[0].references == (said[1].identity,)
    for each in said:
        assert cap_read.parse(cap_write.write(each)) == each
    inside = cap_read.root(cap_feed.feed(said, "https://linli.example", office.clock.now()))
    assert len([part for part in inside.iter() if part.tag.endswith("}alert")]) == 2


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_any_order_of_arrival_and_relay_only_what_the_issuer_still_says_is_shown(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is on the screens stands, or waits to be replaced by an update that stands."""
    office = open_office(tmp_path_factory.mktemp("chain"), {})
    try:
        made: list[Alert] = []
        for place in range(data.draw(st.integers(2, 6))):
            older = data.draw(st.lists(st.sampled_from(made), max_size=2)) if made else []
            kind = data.draw(st.sampled_from(("Update", "Cancel"))) if older else "Alert"
            made.append(rain(office, f"n{place}", place, kind, tuple(each.identity for each in older)))
        come: list[Alert] = []
        for each in data.draw(st.permutations(made)):
            come.append(each)
            (ident,) = send(office, each)
            if each.identity.identifier in waiting(office) and data.draw(st.booleans()):
                relay(office, ident)
            _check(office, come)
    finally:
        office.store.close()


def _check(office: Office, come: list[Alert]) -> None:
    """The model: strike out by name what any arrived message names; a struck one may stay while its heir waits."""
    struck = {gone.identifier for each in come for gone in each.replaces}
    standing = {each.identity.identifier for each in come if each.kind != "Cancel"} - struck
    names = {each.identity.identifier: each for each in come}

    def bodies(read: Read) -> list[bytes]:
        live = [each for each in active.notices_of(read, LIUHE) if each.warning]
        return [read.session.get_one(CapMessage, each.warning).body for each in live]

    for body in office.store.read_now(bodies):
        name = cap_read.parse(body).identity.identifier
        assert name in standing or _leads_to(name, names, standing)


def _leads_to(name: str, names: dict[str, Alert], standing: set[str]) -> bool:
    after = [each.identity.identifier for each in names.values() if name in {ref.identifier for ref in each.replaces}]
    return any(each in standing or _leads_to(each, names, standing) for each in after)
