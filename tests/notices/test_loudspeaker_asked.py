"""Who has the loudspeakers say a notice: once each, at a decent hour, no longer than it holds; and what they report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import topics
from hub import reach, registry, speaker
from hub.arrival import Note
from hub.audience import Audience
from hub.civic.notices import active, board, desk, knocking, speakers, speech
from hub.civic.notices.models import Notice
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed
from hub.events import LoudspeakerWanted
from tests import world
from tests.notices.office import Office, open_office
from tests.world import DISTRICT, LIUHE, START, TAYING

HORN = "lh-horn-1"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    made.store.write_now(lambda tx: registry.grant_credential(tx, HORN, "speaker", LIUHE))
    yield made
    made.store.close()


def says(office: Office, area: str = LIUHE) -> dict[str, Any]:
    def look(read: Read) -> dict[str, Any]:
        return dict(speech.of_place(read, area, active.notices_of(read, area)))

    return office.store.read_now(look)


def emergency(office: Office, area: str = LIUHE) -> Notice:
    given = _words(priority="emergency", title="暴雨红色预警", audience=Audience((area,)))
    made = office.store.write_now(lambda tx: desk.draft(tx, office.publisher, given))
    office.store.write_now(lambda tx: desk.approve(tx, office.publisher, made.id))
    return office.store.write_now(lambda tx: desk.release(tx, office.second_publisher, made.id))


def _words(**changes: Any) -> Any:
    from tests.notices.office import words

    return words(**changes)


def wanted(office: Office, notice: Notice, area: str = LIUHE) -> None:
    def ask(tx: Tx) -> None:
        tx.emit(
            LoudspeakerWanted, notice=notice.id, revision=notice.revision, area=area, coverage=40,
            priority=notice.priority,
        )  # fmt: skip

    office.store.write_now(ask)


def report(
    office: Office, notice: Notice, *, by: str = HORN, area: str = LIUHE, ok: bool = True, **result: Any
) -> None:
    body = {"ok": ok, "result": {"rev": notice.revision, "round": 1, "voice": "machine", "seconds": 30, **result}}
    said = Note(topics.Done(area, by, "horn", notice.id), json.dumps(body).encode(), START, "line-1")
    office.store.write_now(lambda tx: speaker.heard(tx, said))


def shown(office: Office, notice: Notice) -> int:
    return office.store.read_now(lambda read: reach.sums(read, notice.id).at_least("loudspeaker", "shown"))


def test_an_emergency_is_said_at_once_and_twice_and_a_routine_notice_only_when_asked(office: Office) -> None:
    quiet = office.released()
    assert says(office) == {}
    loud = emergency(office)
    [(ident, say)] = says(office).items()
    assert (ident, say["times"], say["round"], say["until"]) == (loud.id, 2, 1, None)
    assert datetime.fromisoformat(say["from"]) == START
    wanted(office, quiet)
    assert says(office).keys() == {loud.id, quiet.id}
    assert says(office)[quiet.id]["times"] == 1


def test_a_place_that_wants_english_hears_it_after_the_chinese_and_only_what_is_translated(office: Office) -> None:
    loud, quiet = emergency(office), office.released(title_en="", text_en="")
    wanted(office, quiet)
    assert "en" not in says(office)[loud.id]
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: speakers.speak_english(tx, office.staff, TAYING, True))
    office.store.write_now(lambda tx: speakers.speak_english(tx, office.staff, LIUHE, True))
    assert says(office)[loud.id]["en"].startswith("Attention. This is an emergency.")
    assert "停" not in says(office)[loud.id]["en"]
    assert "en" not in says(office)[quiet.id]
    office.store.write_now(lambda tx: speakers.speak_english(tx, office.staff, LIUHE, False))
    assert "en" not in says(office)[loud.id]


def test_asked_twice_by_the_ladder_it_is_one_round_and_by_the_desk_another(office: Office) -> None:
    made = office.released()
    for _ in range(2):
        wanted(office, made)
    assert says(office)[made.id]["round"] == 1
    office.store.write_now(lambda tx: speakers.say(tx, office.staff, made.id))
    assert says(office)[made.id]["round"] == 2
    assert says(office, TAYING) == {}


def test_what_a_wider_area_was_asked_to_say_no_community_in_it_is_asked_again(office: Office) -> None:
    loud = emergency(office, DISTRICT)
    wanted(office, loud, LIUHE)  # the ladder of the same notice comes to the community
    asked = office.store.read_now(lambda read: speakers.state(read, loud.id).asked)
    assert [(row.area, row.round) for row in asked] == [(DISTRICT, 1)]
    quiet = office.released(audience=Audience((DISTRICT,)))
    wanted(office, quiet, LIUHE)
    office.store.write_now(lambda tx: speakers.say(tx, office.publisher, quiet.id))
    assert says(office)[quiet.id]["round"] == 2  # the desk asked once more, for the whole district
    assert says(office, TAYING)[quiet.id]["round"] == 2


def test_the_end_is_said_only_where_the_alarm_was_to_be_said(office: Office) -> None:
    loud = emergency(office)
    for notice, expected in ((loud, {LIUHE}), (office.released(), set())):
        clear = Notice(**{**notice.model_dump(), "id": "c", "clears": notice.id})
        assert office.store.read_now(partial(knocking.horns, notice=clear)) == expected


def test_what_is_withdrawn_is_off_the_board_and_so_no_longer_said(office: Office) -> None:
    made = office.released()
    wanted(office, made)
    assert board.compose(LIUHE, 1, START, [made], says(office))["notices"][0]["say"]["text"].startswith(
        "通知。停水通知。"
    )
    office.store.write_now(lambda tx: desk.retract(tx, office.staff, made.id, "It was a mistake"))
    assert says(office) == {}
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: speakers.say(tx, office.staff, made.id))


def test_a_notice_for_some_is_never_said_aloud_and_no_neighbouring_desk_may_ask(office: Office) -> None:
    some = office.released(audience=Audience((LIUHE,), tags=("alone",)))
    wanted(office, some)
    assert says(office) == {}
    attendant = world.staff(office.store, "s-attendant")
    made = office.released()
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: speakers.say(tx, attendant, made.id))


def test_what_a_speaker_said_counts_as_shown_once(office: Office) -> None:
    made = office.released()
    wanted(office, made)
    report(office, made, ok=False)
    assert shown(office, made) == 0
    office.store.write_now(lambda tx: speakers.say(tx, office.staff, made.id))
    for _ in range(2):
        report(office, made, round=2)
    assert shown(office, made) == 1
    state = office.store.read_now(lambda read: speakers.state(read, made.id))
    assert [(line.speaker, line.played.result) for line in state.lines if line.played] == [(HORN, "said")]


FORGED: tuple[dict[str, Any], ...] = (
    {"by": "lh-hut-1"},  # a gateway, no speaker
    {"area": TAYING},  # of another place
    {"round": 2},  # never asked
    {"rev": 2},
    {"voice": "human"},
    {"seconds": -1},
)


def test_a_report_that_cannot_be_true_proves_nothing(office: Office) -> None:
    office.store.write_now(lambda tx: registry.add_gateway(tx, "lh-hut-1", LIUHE))
    made = office.released()
    wanted(office, made)
    for forged in FORGED:
        report(office, made, **forged)
        assert shown(office, made) == 0, forged
    other = office.released(title="停电通知")
    report(office, other)  # true, but nobody asked for it
    assert shown(office, other) == 0
    report(office, made)
    assert shown(office, made) == 1


@given(
    st.integers(0, 366 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.sampled_from(["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York"]),
    st.sampled_from(["routine", "important", "urgent", "drill"]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_but_an_emergency_begins_in_the_community_s_night(now: datetime, zone: str, priority: str) -> None:
    found = speech.hours(priority, now, zone)
    assert found.until is not None
    assert now <= found.begin < found.until
    assert found.begin - now < timedelta(hours=12)
    for edge in (found.begin, found.until - timedelta(seconds=1)):
        assert speech.CURFEW_ENDS <= edge.astimezone(ZoneInfo(zone)).time() < speech.CURFEW_BEGINS
    assert speech.hours("emergency", now, zone) == speech.Hours(now, None)


def test_a_loudspeaker_s_account_may_read_the_board_and_report_and_nothing_else() -> None:
    from hub.broker.acl import Acl

    publish = Acl(topics.speaker_publishes(LIUHE, HORN))
    assert publish.allowed(topics.done(LIUHE, HORN, "horn", "n-1"))
    for topic in (
        topics.board(LIUHE), topics.birth(LIUHE, HORN), topics.up(LIUHE, HORN, "horn", "sig.2a35"),
        topics.done(LIUHE, "lh-horn-2", "horn", "n-1"), topics.HUB_STATE,
    ):  # fmt: skip
        assert not publish.allowed(topic)
