"""Identity and time: the same record has the same key on every path; a wrong clock never decides when it was."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.base import Measurement, Value
from devices.codecs import codec
from devices.identity import Anchor, anchor_of, effective_time, key
from devices.profile import profile

EAST = timezone(timedelta(hours=8))
NOON = datetime(2026, 3, 15, 12, 0, 0, tzinfo=EAST)
LOCAL = NOON.replace(tzinfo=None)
READ = Measurement("temp", (Value("temp", Decimal("36.5"), "Cel"),))
from_entry = partial(anchor_of, gateway="g", boot="b7", seq=17, index=0)


def test_the_record_number_comes_before_the_time_before_the_entry_before_nothing() -> None:
    timed = replace(READ, at=LOCAL)
    assert from_entry(timed, unique="u", record_anchor="41").text == "record|2026-03-15T12:00:00|41"
    assert from_entry(timed, unique="u").text == "time|2026-03-15T12:00:00|"
    assert from_entry(READ, unique="u").text == "entry|g|17|0|b7"
    assert anchor_of(READ, unique="u", gateway="g", boot="b7") == Anchor("weak|u", weak=True)
    assert anchor_of(replace(timed, anchor="9"), unique="u", record_anchor="41").text.endswith("|9")


def test_a_clock_that_cannot_be_right_is_no_anchor() -> None:
    for moment in (datetime(2014, 12, 31, 23, 59, 59), datetime(1970, 1, 1)):  # noqa: DTZ001
        assert anchor_of(replace(READ, at=moment), unique="u").weak
    assert anchor_of(replace(READ, at=LOCAL, quality_flags=("clock_not_set",)), unique="u").weak
    assert not anchor_of(replace(READ, at=datetime(2015, 1, 1)), unique="u").weak  # noqa: DTZ001


def test_two_users_of_one_cuff_in_the_same_second_are_two_readings() -> None:
    first, second = (replace(READ, at=LOCAL, context={"user_index": user}) for user in (1, 2))
    assert anchor_of(first, unique="u") != anchor_of(second, unique="u")


def test_a_frame_has_one_key_by_raw_topic_and_by_envelope() -> None:
    (cuff,) = codec("sig.2a35").decode(bytes.fromhex("028a005800ff07ea07030f081e05"), profile("generic.sig.2a35"))
    keys = {
        key("bp-1", cuff.kind, anchor.text)
        for anchor in (
            anchor_of(cuff, unique="a"),
            from_entry(cuff, unique="b"),
            anchor_of(cuff, unique="c", gateway="other", boot="x", seq=1, index=3),
        )
    }
    assert keys == {key("bp-1", "bp", "time|2026-03-15T08:30:05|")}


def test_the_key_of_a_known_reading_never_changes() -> None:
    """Pinned: a release that computes another key stores every replayed reading twice."""
    assert key("bp-1", "bp", "time|2026-03-15T08:30:05|1") == "79a71cf2e0735b05a9b296762d31aaab"


@given(st.data())
def test_the_value_and_the_person_are_not_in_the_key(data: st.DataObject) -> None:
    numbers = st.decimals(30, 45, places=1, allow_nan=False)
    one, two = (replace(READ, at=LOCAL, values=(Value("temp", data.draw(numbers), "Cel"),)) for _ in range(2))
    assert anchor_of(one, unique="a") == anchor_of(two, unique="b")


@dataclass(frozen=True)
class Entry:
    gateway: str
    boot: str
    seq: int
    index: int

    def key(self) -> str:
        anchor = anchor_of(READ, unique="u", gateway=self.gateway, boot=self.boot, seq=self.seq, index=self.index)
        return key("d", "temp", anchor.text)


gateways = st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True)
entries = st.builds(Entry, gateways, st.text(max_size=6), st.integers(1, 99), st.integers(0, 9))


@given(entries, entries)
def test_two_entries_that_differ_in_anything_have_different_keys(one: Entry, other: Entry) -> None:
    near = [replace(one, **{each.name: getattr(other, each.name)}) for each in fields(Entry)]
    for two in (other, *near):
        assert (one.key() == two.key()) == (one == two)


def after(**delta: float) -> datetime:
    return NOON + timedelta(**delta)


@pytest.mark.parametrize(
    ("t_device", "t_gateway", "t_received", "at", "basis"),
    [
        # the clock agrees with the gateway, or, without one, with us
        (LOCAL, after(seconds=120), after(hours=5), NOON, "device"),
        (LOCAL, after(seconds=-120), after(hours=5), NOON, "device"),
        (LOCAL, None, after(seconds=3), NOON, "device"),
        # behind by up to a day: the gateway's time
        (LOCAL, after(seconds=121), after(minutes=3), after(seconds=121), "device_adjusted"),
        (LOCAL, after(hours=24), after(hours=24), after(hours=24), "device_adjusted"),
        # further off, ahead, or no usable date
        (LOCAL, after(hours=24, seconds=1), after(hours=25), after(hours=24, seconds=1), "gateway"),
        (LOCAL, after(seconds=-121), NOON, after(seconds=-121), "gateway"),
        (LOCAL.replace(year=2028), NOON, after(seconds=5), NOON, "gateway"),
        (LOCAL.replace(year=1970), NOON, after(seconds=5), NOON, "gateway"),
        (None, NOON, after(days=2), NOON, "gateway"),
        # no gateway time to trust
        (LOCAL, None, after(minutes=16), after(minutes=16), "received"),
        (LOCAL.replace(year=2028), None, NOON, NOON, "received"),
        (None, None, NOON, NOON, "received"),
        (None, after(seconds=121), NOON, NOON, "received"),
        (None, NOON.replace(year=1970), NOON, NOON, "received"),
        (LOCAL, NOON.replace(year=2031), after(seconds=5), NOON, "device"),
    ],
)
def test_the_effective_time_follows_the_table(
    t_device: datetime | None, t_gateway: datetime | None, t_received: datetime, at: datetime, basis: str
) -> None:
    found = effective_time(t_device, EAST, t_gateway, t_received)
    assert (found.at, found.basis) == (at, basis)


def test_a_clock_that_says_it_is_not_set_is_not_believed() -> None:
    assert effective_time(LOCAL, EAST, None, NOON, clock_not_set=True).basis == "received"


def test_old_history_is_late_but_a_cuff_with_a_dead_clock_still_alarms() -> None:
    month = timedelta(days=31)
    assert effective_time(None, EAST, NOON - month, NOON).late
    assert effective_time((NOON - month).replace(tzinfo=None), EAST, NOON, NOON, stored=True).late
    assert not effective_time((NOON - month).replace(tzinfo=None), EAST, NOON, NOON).late
    assert not effective_time(LOCAL, EAST, NOON, NOON, stored=True).late


local_times = st.none() | st.datetimes(datetime(1582, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001
aware_times = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(local_times, st.none() | aware_times, aware_times)
def test_no_reading_is_dated_more_than_a_clock_error_into_the_future(
    t_device: datetime | None, t_gateway: datetime | None, t_received: datetime
) -> None:
    found = effective_time(t_device, EAST, t_gateway, t_received)
    assert found.at.tzinfo is not None
    assert found.at - t_received <= timedelta(seconds=240)


sane_times = st.datetimes(datetime(2016, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    local_times, sane_times, st.timedeltas(timedelta(0), timedelta(days=29)), st.timedeltas(timedelta(0), timedelta(3))
)
def test_what_a_gateway_kept_has_the_same_time_whenever_it_is_sent_again(
    t_device: datetime | None, taken: datetime, first: timedelta, again: timedelta
) -> None:
    """Out of order, late, twice: the gateway's stamp decides, not the moment of arrival."""
    once = effective_time(t_device, EAST, taken, taken + first)
    later = effective_time(t_device, EAST, taken, taken + first + again)
    assert (once.at, once.basis, once.offset) == (later.at, later.basis, later.offset)
    assert once.basis != "received"
    assert abs(once.at - taken) <= timedelta(seconds=120)
