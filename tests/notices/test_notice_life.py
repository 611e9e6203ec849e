"""A notice's life: who must sign, what holds where, and that what was withdrawn never shows again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub import directory
from hub.audience import Audience
from hub.civic.notices import MODULE, active, cards, desk, rules
from hub.civic.notices.message import message_of
from hub.civic.notices.models import Notice, NoticeRelease
from hub.errors import Conflict, NotAllowed, NotFound, Refused, StillMissing
from hub.i18n import speaking
from tests.notices.office import Office, open_office, words
from tests.world import CITY, DISTRICT, LIUHE, TAYING
from web.render import make_render


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def shown(office: Office, area: str) -> list[str]:
    return [each.id for each in office.store.read_now(lambda read: active.notices_of(read, area))]


def test_a_routine_notice_needs_one_person_and_shows_at_once(office: Office) -> None:
    made = office.released()
    assert shown(office, LIUHE) == [made.id]
    assert shown(office, TAYING) == []


def test_a_screen_that_holds_twenty_notices_says_how_many_more_there_are(office: Office) -> None:
    for number in range(cards.TV_MAX):
        office.released(title=f"通知{number}")

    def page() -> str:
        return make_render((MODULE,), None)(
            "notices/tv.html", office.store.read_now(lambda read: cards.tv(read, LIUHE)), "zh"
        )

    assert "还有" not in page()
    office.released(title="又一条")
    office.released(title="再一条")
    assert page().count("data-notice") == cards.TV_MAX
    assert "还有2条" in page()


def test_a_notice_for_the_district_shows_in_every_community_below_and_nowhere_above(office: Office) -> None:
    made = office.released(audience=Audience((DISTRICT,)))
    assert shown(office, LIUHE) == shown(office, TAYING) == [made.id]
    assert shown(office, CITY) == []


def test_an_urgent_notice_waits_for_a_second_person_and_says_so(office: Office) -> None:
    made = office.draft(priority="urgent")
    with speaking("en"), pytest.raises(StillMissing, match="one more person"):
        office.store.write_now(lambda tx: desk.release(tx, office.staff, made.id))
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.staff, made.id))
    assert shown(office, LIUHE) == []
    office.store.write_now(lambda tx: desk.release(tx, office.second, made.id))
    assert shown(office, LIUHE) == [made.id]


def test_nobody_signs_twice(office: Office) -> None:
    made = office.draft(priority="urgent")
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))


def test_an_emergency_takes_a_publisher_and_another_person(office: Office) -> None:
    made = office.draft(priority="emergency")
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    office.store.write_now(lambda tx: desk.approve(tx, office.director, made.id))
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.publisher, made.id))
    assert shown(office, LIUHE) == [made.id]


def test_two_publishers_may_release_an_emergency_for_their_district(office: Office) -> None:
    made = office.draft(priority="emergency", audience=Audience((DISTRICT,)))
    office.store.write_now(lambda tx: desk.approve(tx, office.publisher, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.second_publisher, made.id))
    assert shown(office, TAYING) == [made.id]


def test_a_changed_text_voids_the_first_signature(office: Office) -> None:
    made = office.draft(priority="urgent")
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    changed = words(priority="urgent", title="停电通知")
    office.store.write_now(lambda tx: desk.revise(tx, office.staff, made.id, changed))
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.second, made.id))


def test_staff_write_only_for_their_own_place(office: Office) -> None:
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: desk.draft(tx, office.staff, words(audience=Audience((TAYING,)))))


def test_a_notice_of_another_place_does_not_exist_for_the_desk(office: Office) -> None:
    made = office.draft(audience=Audience((TAYING,)))
    with pytest.raises(NotFound):
        office.store.write_now(lambda tx: desk.release(tx, office.staff, made.id))


def test_one_person_withdraws_at_once_with_a_reason(office: Office) -> None:
    made = office.released()
    with pytest.raises(Refused):
        office.store.write_now(lambda tx: desk.retract(tx, office.second, made.id, " "))
    office.store.write_now(lambda tx: desk.retract(tx, office.second, made.id, "It was a mistake"))
    assert shown(office, LIUHE) == []
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: desk.release(tx, office.staff, made.id))


def test_a_scheduled_notice_begins_and_ends_by_itself(office: Office) -> None:
    start = office.clock.now() + timedelta(hours=1)
    made = office.released(not_before=start, expires=start + timedelta(hours=2))
    assert made.state == "scheduled"
    assert shown(office, LIUHE) == []
    office.clock.advance(3600)
    assert office.store.read_now(desk.is_time)
    assert office.store.write_now(desk.keep_time) == 1
    assert shown(office, LIUHE) == [made.id]
    office.clock.advance(7200)
    assert shown(office, LIUHE) == []  # also before the job has run: the query itself looks at the end
    office.store.write_now(desk.keep_time)
    assert office.store.read_now(lambda read: active.notice(read, made.id)).state == "expired"


def test_what_runs_out_at_one_moment_ends_a_few_at_a_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PAGE_NOTICES", 2)
    made = [office.released(expires=office.clock.now() + timedelta(hours=1)) for _notice in range(3)]
    office.clock.advance(3_601)
    assert [office.store.write_now(desk.keep_time) for _page in range(3)] == [2, 1, 0]
    states = office.store.read_now(lambda read: {active.notice(read, each.id).state for each in made})
    assert states == {"expired"}


def test_a_correction_is_the_next_revision_and_keeps_what_was_shown_before(office: Office) -> None:
    made = office.released()
    office.store.write_now(lambda tx: desk.correct(tx, office.staff, made.id, words(text="改为后天停水。")))
    [now] = office.store.read_now(lambda read: active.notices_of(read, LIUHE))
    assert (now.revision, now.text) == (2, "改为后天停水。")
    first = office.store.read_now(lambda read: read.session.get_one(NoticeRelease, (made.id, 1)))
    assert json.loads(first.content)["text"] == made.text


def test_a_notice_for_some_tags_is_not_on_the_public_screens(office: Office) -> None:
    office.released(audience=Audience((LIUHE,), tags=("aged80",)))
    assert shown(office, LIUHE) == []


def test_an_emergency_stands_above_a_drill_and_a_drill_above_the_rest(office: Office) -> None:
    for priority in ("routine", "important"):
        office.released(priority=priority)
    for priority in ("drill", "urgent"):
        made = office.draft(priority=priority)
        office.store.write_now(lambda tx, ident=made.id: desk.approve(tx, office.staff, ident))
        office.store.write_now(lambda tx, ident=made.id: desk.release(tx, office.second, ident))
    made = office.draft(priority="emergency")
    office.store.write_now(lambda tx: desk.approve(tx, office.director, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.publisher, made.id))
    held = office.store.read_now(lambda read: active.notices_of(read, LIUHE))
    assert [each.priority for each in held] == ["emergency", "drill", "urgent", "important", "routine"]


@pytest.mark.parametrize(
    "wrong",
    [{"title": " "}, {"title": "长" * 61}, {"text": ""}, {"priority": "loud"}, {"kind": "<b>"}, {"text": "字" * 4001}],
)
def test_a_text_that_does_not_fit_is_refused_with_a_sentence(office: Office, wrong: dict[str, str]) -> None:
    with pytest.raises(Refused) as said:
        office.draft(**wrong)
    assert said.value.sentence


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("draft"), st.sampled_from(["routine", "important", "urgent", "drill"]), st.booleans()),
        st.tuples(st.sampled_from(["approve", "release", "retract"]), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 50), st.booleans()),
    ),
    max_size=24,
)


@settings(max_examples=40)
@given(STEPS)
@example([("draft", "drill", False), ("approve", 0, True), ("release", 0, False), ("retract", 0, False)])
def test_the_active_set_is_the_models_and_the_withdrawn_never_comes_back(steps: list[tuple[str, object, bool]]) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder), followers={})
        model: dict[str, dict[str, object]] = {}
        for verb, value, other in steps:
            person = replace(office.second if other else office.staff, proved_at=office.clock.now())
            if verb == "draft":
                made = office.draft(priority=value)
                model[made.id] = {"state": "draft", "signed": set(), "needs": len(rules.NEEDED[str(value)]),
                                  "ends": made.expires, "covers": value in rules.COVERING}  # fmt: skip
            elif verb == "wait":
                office.clock.advance(int(str(value)) * 3600)
                office.store.write_now(desk.keep_time)
            elif model:
                ident = sorted(model)[int(str(value)) % len(model)]
                clear = _act(office, model[ident], verb, ident, person)
                if clear is not None:  # what covered the screens leaves a notice of its end there
                    model[clear.id] = {"state": "released", "signed": set(), "needs": 1, "ends": clear.expires,
                                       "covers": False}  # fmt: skip
            now = office.clock.now()
            for each in model.values():
                if each["state"] == "released" and each["ends"] <= now:  # type: ignore[operator]
                    each["state"] = "expired"
            assert set(shown(office, LIUHE)) == {key for key, each in model.items() if each["state"] == "released"}
        office.store.close()


def _act(office: Office, model: dict, verb: str, ident: str, person) -> Notice | None:  # type: ignore[no-untyped-def,type-arg]
    """Do it, or see it refused as the model says; gives the all-clear that a withdrawal may leave."""
    verbs = {
        "approve": lambda tx: desk.approve(tx, person, ident),
        "release": lambda tx: desk.release(tx, person, ident),
        "retract": lambda tx: desk.retract(tx, person, ident, "It was a mistake"),
    }
    signed = model["signed"] | ({person.id} if verb != "retract" else set())
    fresh = person.id not in model["signed"]
    may = {
        "approve": model["state"] == "draft" and fresh and len(model["signed"]) < model["needs"],
        "release": model["state"] == "draft" and len(signed) >= model["needs"] and model["ends"] > office.clock.now(),
        "retract": model["state"] == "released",
    }[verb]
    try:
        office.store.write_now(verbs[verb])
    except (Conflict, NotAllowed):
        assert not may
        return None
    assert may
    model["signed"] = signed
    model["state"] = {"approve": "draft", "release": "released", "retract": "retracted"}[verb]
    if verb != "retract" or not model["covers"]:
        return None
    return office.store.read_now(lambda read: read.session.execute(select(Notice).filter_by(clears=ident)).scalar_one())


def test_an_english_message_is_signed_in_english_by_the_office_and_by_others_as_they_write_themselves(
    office: Office,
) -> None:
    place = office.store.read_now(lambda read: directory.area(read, LIUHE))
    ours, theirs = office.draft(), office.draft(issuer="荆门市供水公司")
    assert message_of(ours, [place], "zh").issuer == "浏河社区居委会"
    assert message_of(ours, [place], "en").issuer == "Liuhe residents' committee"
    assert message_of(theirs, [place], "en").issuer == "荆门市供水公司"
