"""Switches and quiet hours: nobody is woken for what can wait, nobody misses what cannot."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from channels.base import Accepted, Retry
from hub import delivery, directory, outbox, preferences, reach
from hub.audience import Audience
from hub.civic.notices import desk, ladder
from hub.db import Tx
from hub.directory import Consent
from hub.errors import Refused
from hub.events import PersonalMessage
from hub.main.wiring import quiet_hours
from hub.outbox import Outbox
from hub.preferences import Preference, Quiet, minute_of, next_at, sendable_at
from hub.settings import Settings, SettingsError
from tests.notices.office import Office, open_office
from tests.world import LIUHE, START

NIGHT = Quiet(21 * 60 + 30, 7 * 60 + 30)
EVENING = START.replace(hour=14)  # 22:00 in Jingmen
MORNING = START.replace(hour=23, minute=30)  # 07:30 on the day after
ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})
INSTANTS = st.integers(0, 60 * 24 * 365 * 20).map(
    lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
MINUTES = st.integers(0, preferences.DAY_MINUTES - 1)
# The hours around which clocks were set forward and back: New York, Lord Howe (half an hour), Jingmen in its DST years.
CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Asia/Shanghai", datetime(1990, 4, 14, 18, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 3, 22, 2, tzinfo=UTC)),
]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    made.clock.set(EVENING)
    yield made
    made.store.close()


def choose(office: Office, resident: str, **chosen: Any) -> None:
    office.store.write_now(lambda tx: tx.session.merge(Preference(resident=resident, **chosen)))


def spread(office: Office, curfew: Quiet | None = NIGHT) -> None:
    while office.store.write_now(lambda tx: outbox.spread(tx, curfew=curfew)):
        pass


def claim(office: Office, curfew: Quiet | None = NIGHT) -> list[delivery.Claimed]:
    return office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 50, curfew=curfew))


def signed(office: Office, priority: str) -> str:
    """Released by two who have just proved who they are."""
    made = office.draft(priority=priority)
    two = (office.publisher, office.second_publisher) if priority == "emergency" else (office.staff, office.second)
    first, other = (replace(who, proved_at=office.clock.now()) for who in two)
    office.store.write_now(lambda tx: desk.approve(tx, first, made.id))
    office.store.write_now(lambda tx: desk.release(tx, other, made.id))
    return made.id


def row(office: Office, resident: str) -> Outbox:
    mine = select(Outbox).where(col(Outbox.resident) == resident)
    found: Outbox = office.store.read_now(lambda read: read.session.execute(mine).scalar_one())
    return found


def told(office: Office, notice: str) -> dict[str, int]:
    return office.store.read_now(lambda read: outbox.states(read, notice))["wechat"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), INSTANTS, st.builds(Quiet, MINUTES, MINUTES))
def test_quiet_hours_end_outside_of_themselves_in_every_zone(zone: str, now: datetime, quiet: Quiet) -> None:
    assume(quiet.start != quiet.end)
    at = sendable_at(now, quiet, zone)
    place = zoneinfo.ZoneInfo(zone)
    assert minute_of(at.astimezone(place)) not in quiet
    if minute_of(now.astimezone(place)) not in quiet:
        assert at == now
    else:
        assert now < at <= now + timedelta(hours=26)
    assert sendable_at(at, quiet, zone) == at


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_clock_that_is_set_wakes_nobody_and_holds_nothing_for_ever(zone: str, change: datetime) -> None:
    place = zoneinfo.ZoneInfo(zone)
    for step in range(0, 60 * 30, 7):
        now = change - timedelta(hours=15) + timedelta(minutes=step)
        for quiet in (NIGHT, Quiet(0, 90), Quiet(60, 150), Quiet(150, 120), Quiet(22 * 60, 2 * 60 + 15)):
            at = sendable_at(now, quiet, zone)
            assert minute_of(at.astimezone(place)) not in quiet
            assert timedelta(0) <= at - now <= timedelta(hours=50)  # Apia went without a whole day


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ZONES), INSTANTS, MINUTES)
def test_the_next_overview_is_within_a_day_and_a_change_of_clocks(zone: str, now: datetime, minute: int) -> None:
    at = next_at(now, minute, zone)
    assert now < at <= now + timedelta(hours=50)


def test_a_routine_notice_of_the_evening_leaves_in_the_morning_and_the_desk_sees_that_it_waits(office: Office) -> None:
    made = office.released()
    spread(office)
    assert claim(office) == []
    assert told(office, made.id) == {"held": 2, "unreachable": 1}
    assert row(office, "r-lin").not_before == MORNING
    office.clock.set(MORNING - timedelta(seconds=1))
    assert claim(office) == []
    office.clock.set(MORNING)
    assert len(claim(office)) == 2
    assert told(office, made.id) == {"claimed": 2, "unreachable": 1}


@pytest.mark.parametrize("priority", ["urgent", "emergency"])
def test_what_is_urgent_heeds_neither_night_nor_switch(office: Office, priority: str) -> None:
    topics = [each.id for each in preferences.classes()]
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "wechat", topics))
    choose(office, "r-wang", own_quiet=True, quiet_start=0, quiet_end=preferences.DAY_MINUTES - 1, digest_at=600)
    made = signed(office, priority)
    spread(office)
    assert {each.delivery.message.notice_id for each in claim(office)} == {made}
    assert told(office, made) == {"claimed": 2, "unreachable": 1}


def test_whoever_was_woken_by_an_alarm_hears_that_it_is_over(office: Office) -> None:
    made = signed(office, "emergency")
    spread(office)
    batch = claim(office)
    office.store.write_now(lambda tx: delivery.settle(tx, batch, [Accepted(f"m{n}") for n in range(len(batch))]))
    office.store.write_now(lambda tx: desk.retract(tx, office.publisher, made, "The warning is lifted"))
    for each in office.store.read_now(ladder.under_way):
        office.store.write_now(partial(ladder.go_on, ident=each.notice, revision=1, elapsed_s=0.0, ways={"wechat"}))
    spread(office)
    assert claim(office)


def test_what_is_over_by_the_morning_stands_on_the_screens_only_and_is_counted_so(office: Office) -> None:
    made = office.released(expires=MORNING)
    spread(office)
    assert claim(office) == []
    assert told(office, made.id) == {"screens only": 2, "unreachable": 1}


def test_a_worker_back_at_night_and_a_try_that_failed_wake_nobody(office: Office) -> None:
    office.clock.set(START.replace(hour=13, minute=29, second=50))  # ten seconds before the night
    office.released()
    spread(office)
    batch = claim(office)
    assert len(batch) == 2
    office.store.write_now(lambda tx: delivery.settle(tx, batch, [Retry(None, "slow"), Accepted("m")]))
    office.clock.set(EVENING)
    assert claim(office) == []
    waiting = office.store.read_now(
        lambda read: [
            each.not_before for each in read.session.execute(select(Outbox).where(Outbox.state == "planned")).scalars()
        ]
    )
    assert waiting == [MORNING]


def test_a_resident_has_hours_and_a_zone_of_their_own(office: Office) -> None:
    choose(office, "r-lin", own_quiet=True, quiet_start=0, quiet_end=0)  # none at all
    choose(office, "r-wang", own_quiet=True, quiet_start=21 * 60, quiet_end=23 * 60, zone="Europe/London")
    office.released()
    spread(office)
    assert [each.delivery.idempotency_key.split("|")[2] for each in claim(office)] == ["r-lin", "r-wang"]
    office.clock.set(START.replace(hour=21, minute=30))  # 21:30 in London, 05:30 in Jingmen
    office.released(title="明天停水")
    spread(office, None)
    assert {each.delivery.idempotency_key.split("|")[2] for each in claim(office, None)} == {"r-lin"}


def test_a_hub_without_a_curfew_holds_nothing_back(office: Office) -> None:
    office.released()
    spread(office, None)
    assert len(claim(office, None)) == 2


def test_a_class_that_is_switched_off_gets_no_row_is_counted_and_others_come(office: Office) -> None:
    office.clock.set(START)
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "wechat", ["service"]))
    water, fair = office.released(), office.released(kind="venture", title="社区集市")
    spread(office)
    assert told(office, water.id) == {"planned": 1, "declined": 1, "unreachable": 1}
    assert told(office, fair.id) == {"planned": 2, "unreachable": 1}
    assert (
        sum(told(office, water.id).values())
        == 3
        == office.store.read_now(lambda read: reach.sums(read, water.id).audience)
    )


def test_points_are_silent_where_they_are_switched_off(office: Office) -> None:
    def post(tx: Tx) -> None:
        tx.emit(PersonalMessage, resident="r-lin", kind="points", title="积分到账", text="您有积分到账。")

    office.clock.set(START)
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "wechat", ["points"]))
    office.store.write_now(post)
    assert claim(office) == []
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "wechat", []))
    office.store.write_now(post)
    assert len(claim(office)) == 1


def test_each_change_of_a_switch_is_consent_with_its_time_and_the_wording(office: Office) -> None:
    def consents() -> list[tuple[str, str, bool]]:
        rows = office.store.read_now(
            lambda read: list(read.session.execute(select(Consent).order_by(Consent.id)).scalars())
        )
        return [(each.purpose, each.version, each.withdrawn_at is None) for each in rows]

    wording = preferences.version()
    office.store.write_now(lambda tx: preferences.joined(tx, "r-lin", "sms"))
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "sms", ["news"]))
    office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "sms", ["points"]))
    assert consents() == [("send.sms.all", wording, True), ("send.sms.news", wording, True)]
    office.store.write_now(lambda tx: preferences.left(tx, "r-lin", "sms"))
    assert consents()[0] == ("send.sms.all", wording, False)
    assert not office.store.read_now(lambda read: directory.has_consent(read, "r-lin", "send.sms.all", wording))
    with pytest.raises(Refused):
        office.store.write_now(lambda tx: preferences.refuse(tx, "r-lin", "sms", ["emergency"]))


@pytest.mark.parametrize("word", ["nightly", "21:30", "25:00-07:00", "21:30-7h"])
def test_a_curfew_that_is_none_stops_the_start_with_a_sentence(word: str) -> None:
    with pytest.raises(SettingsError, match="quiet_hours must look like"):
        quiet_hours(Settings(quiet_hours=word))
    assert quiet_hours(Settings(quiet_hours="")) == ""
    assert str(preferences.curfew({"quiet.hours": quiet_hours(Settings())})) == "21:30-07:30"


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("release"), st.sampled_from(["routine", "important", "emergency"])),
        st.tuples(st.just("pass"), st.integers(1, 14)),
        st.tuples(st.just("claim"), st.booleans()),
        st.tuples(st.just("choose"), st.tuples(MINUTES, MINUTES)),
    ),
    min_size=3, max_size=7,
)  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(_STEPS)
def test_nothing_that_can_wait_ever_leaves_in_somebodys_night_and_an_emergency_always_at_once(
    steps: list[tuple[str, Any]],
) -> None:
    with TemporaryDirectory() as folder:
        office = open_office(Path(folder))
        night = {"r-lin": NIGHT, "r-wang": NIGHT}
        due = set[str]()
        for verb, given_ in steps:
            if verb == "release" and given_ == "emergency":
                due.add(signed(office, "emergency"))
                spread(office)
            elif verb == "release":
                office.released(priority=str(given_), audience=Audience((LIUHE,)))
                spread(office)
            elif verb == "pass":
                office.clock.advance(int(str(given_)) * 3600)
            elif verb == "choose":
                start, end = given_
                night["r-lin"] = Quiet(start, end)
                choose(office, "r-lin", own_quiet=True, quiet_start=start, quiet_end=end)
            else:
                batch = claim(office)
                now = minute_of(office.clock.now().astimezone(zoneinfo.ZoneInfo("Asia/Shanghai")))
                for each in batch:
                    who = each.delivery.idempotency_key.split("|")[2]
                    if each.delivery.message.priority in ("routine", "important"):
                        assert now not in night[who]
                    due.discard(each.delivery.message.notice_id)
                assert not due
                outcomes = [Accepted(each.delivery.id) if given_ else Retry(None, "slow") for each in batch]
                office.store.write_now(lambda tx, b=batch, o=outcomes: delivery.settle(tx, b, o))  # type: ignore[misc]
        office.store.close()
