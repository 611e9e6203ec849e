"""A device's life: claimed once by its label, active with its first reading, held back by a rule, let back by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from devices import topics
from hub import lifecycle, recall, registry, twin
from hub.civic.fleet import claims, findings, holds, jobs, lots, rules
from hub.civic.fleet.book import ACT, CLAIM
from hub.civic.fleet.lots import Strips
from hub.civic.fleet.models import Claim
from hub.errors import Conflict, LinliError, NotFound, Refused, TooMany
from hub.registry import Registry
from tests.fleet.fleetrig import BP, CITY, HUT, LIUHE, OTHER, TAYING, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.store.close()


def label(fleet: Fleet, area: str = CITY) -> claims.Label:
    return fleet.act(claims.enter, fleet.who(), ACT, area, BP, "S-9")  # type: ignore[no-any-return]


def redeem(fleet: Fleet, code: str, gateway: str = HUT, who: str = "s-attendant") -> Any:
    return fleet.act(claims.redeem, fleet.who(who), CLAIM, code, gateway, "左侧台面")


def test_a_label_sets_a_device_up_once_and_its_first_reading_brings_it_into_use(fleet: Fleet) -> None:
    made = label(fleet)
    device = redeem(fleet, f" {made.code.upper()[:4]}-{made.code[4:]} ")
    assert (device.state, device.hut, device.place, device.serial) == ("provisioned", HUT, "左侧台面", "S-9")
    assert redeem(fleet, made.code) is None, "a code works once"
    assert fleet.measure(made.device).stored == 1
    assert fleet.device(made.device).state == "active"
    assert fleet.audited(made.device) == ["DeviceEntered", "DeviceClaimed", "DeviceMoved", "DeviceMoved"]


def test_a_code_ends_after_its_days(fleet: Fleet) -> None:
    made = label(fleet)
    fleet.clock.advance(claims.VALID_DAYS * 86_400)
    assert redeem(fleet, made.code) is None
    claim = fleet.look(lambda read: read.session.execute(select(Claim)).scalar_one())
    fresh = fleet.act(claims.again, fleet.who(), ACT, claim.id)
    assert redeem(fleet, fresh.code).id == made.device


def test_five_wrong_codes_close_the_page_to_this_person_for_ten_minutes(fleet: Fleet) -> None:
    made = label(fleet)
    for _wrong in range(claims.TRIES_MAX):
        assert redeem(fleet, "00000000") is None
    with pytest.raises(TooMany):
        redeem(fleet, made.code)
    assert redeem(fleet, made.code, who="s-operator") is not None, "another person may"


def test_a_label_of_elsewhere_says_nothing_here(fleet: Fleet) -> None:
    assert redeem(fleet, label(fleet, TAYING).code) is None
    made = label(fleet, LIUHE)
    with pytest.raises(NotFound):
        redeem(fleet, made.code, OTHER)
    assert redeem(fleet, made.code).gateway == HUT


def test_no_step_of_a_life_goes_where_it_may_not(fleet: Fleet) -> None:
    fleet.act(lifecycle.move, "bp-1", "retired", "broken")
    for state in lifecycle.STEPS:
        if state != "retired":
            with pytest.raises(Conflict):
                fleet.act(lifecycle.move, "bp-1", state, "back")
    outcome = fleet.measure("bp-1")
    assert (outcome.stored, outcome.quarantined) == (0, 1)


def test_more_than_five_per_cent_of_nonsense_holds_a_device_back_until_it_is_released(fleet: Fleet) -> None:
    for number in range(20):
        fleet.measure(sys=128 if number else 90, dia=82 if number else 95)  # one in twenty: just five per cent
    assert fleet.look(findings.gather) == []
    fleet.measure(sys=90, dia=95)
    fleet.act(jobs.place_all, fleet.look(findings.gather))
    assert fleet.device("bp-1").state == "quarantined"
    assert fleet.measure().quarantined == 1, "what it says is set aside"
    told = fleet.look(holds.of_device, "bp-1")[0]
    assert "5%" in told.sentence
    with pytest.raises(Refused):
        fleet.act(holds.release, told.id, " ")
    fleet.act(holds.release, told.id, "换了袖带")
    assert fleet.device("bp-1").state == "active"
    assert fleet.look(findings.gather) == [], "what was released is not found again in the same measurements"
    assert fleet.measure().stored == 1


def test_a_clock_off_by_more_than_five_minutes_is_found_and_an_old_record_is_not(fleet: Fleet) -> None:
    for hours in (30, 29, 28):
        fleet.measure(off=-timedelta(hours=hours))  # a memory told late: each is off by another time
    assert fleet.look(findings.gather) == []
    for _again in range(3):
        fleet.measure(off=timedelta(minutes=16))
    found = fleet.look(findings.gather)
    assert [(each.device, each.rule, each.fields["minutes"]) for each in found] == [("bp-1", "clock-skew", 16)]


def test_one_serial_number_at_two_gateways_holds_both_back(fleet: Fleet) -> None:
    fleet.birth(HUT, [{"id": "bp-1", "serial": "S-1", "firmware": "1.2"}])
    fleet.birth(OTHER, [{"id": "bp-2", "serial": "S-2"}])
    assert fleet.look(findings.gather) == []
    assert fleet.device("bp-1").firmware == "1.2", "the registry learns the firmware from the birth"
    fleet.birth(OTHER, [{"id": "bp-2", "serial": "S-1"}])
    fleet.act(jobs.place_all, fleet.look(findings.gather))
    assert sorted(hold.rule for hold in fleet.holds()) == ["clone-serial", "clone-serial", "other-serial"]
    assert {fleet.device(each).state for each in ("bp-1", "bp-2")} == {"quarantined"}


def test_an_unknown_device_is_told_and_touches_no_other(fleet: Fleet) -> None:
    fleet.measure("ghost-1")
    fleet.measure("ghost-1")
    fleet.act(jobs.place_all, fleet.look(findings.gather))
    fleet.act(jobs.place_all, fleet.look(findings.gather))
    assert [(hold.device, json.loads(hold.fields)["frames"]) for hold in fleet.holds()] == [("ghost-1", 2)]
    assert fleet.device("bp-1").state == "active"


def test_a_device_that_drifts_from_its_gateways_history_is_found(fleet: Fleet) -> None:
    for _before in range(20):
        fleet.measure(sys=128)
    fleet.clock.advance(8 * 86_400)
    for _lately in range(19):
        fleet.measure(sys=160)
    assert fleet.look(findings.drift) == [], "nineteen are too few"
    fleet.measure(sys=160)
    assert [(each.device, each.rule, each.fields["percent"]) for each in fleet.look(findings.drift)] == [
        ("bp-1", "drift", 25)
    ]


@given(st.lists(st.integers(-10_000, 10_000), max_size=6))
@settings(max_examples=25)
def test_a_clock_is_called_wrong_only_when_all_of_the_newest_agree(offsets: list[int]) -> None:
    rule = rules.rules()["clock-skew"]
    newest = offsets[:3]
    wrong = len(newest) == 3 and all(abs(each) > 300 for each in newest) and max(newest) - min(newest) <= 60
    assert (rules.skewed(rule, offsets) is not None) == wrong


@given(st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=25)
def test_nonsense_is_more_than_five_per_cent_of_at_least_twenty(readings: int, bad: int) -> None:
    found = rules.implausible(rules.rules()["implausible"], readings, bad)
    assert (found is not None) == (readings >= 20 and bad / readings > 0.05 if readings else False)


def test_a_failed_control_holds_the_meter_back_and_a_good_one_lets_it_go_on(fleet: Fleet) -> None:
    day = fleet.clock.now().date()
    fleet.act(lots.open_lot, "bp-1", Strips("L-7", day + timedelta(days=3), "4.9", "6.6"))
    fleet.act(lots.check, "bp-1", "7.0")
    assert fleet.device("bp-1").state == "quarantined"
    fleet.act(lots.check, "bp-1", "6.6")
    assert fleet.device("bp-1").state == "active"
    fleet.clock.advance(4 * 86_400)
    fleet.act(jobs.place_all, fleet.look(findings.gather))
    assert [hold.rule for hold in fleet.holds() if hold.released_at is None] == ["lot-expired"]
    fleet.act(lots.open_lot, "bp-1", Strips("L-8", day + timedelta(days=300), "4.9", "6.6"))
    assert fleet.device("bp-1").state == "active"


def test_a_recall_flags_what_the_lot_measured_and_edits_nothing(fleet: Fleet) -> None:
    day = fleet.clock.now().date()
    fleet.measure()
    fleet.act(lots.open_lot, "bp-1", Strips("L_7", day + timedelta(days=30), "4.9", "6.6"))
    fleet.measure()
    fleet.act(lots.open_lot, "bp-1", Strips("LX7", day + timedelta(days=30), "4.9", "6.6"))
    fleet.measure()
    before = [(row.id, row.reasons, row.sealed_values, row.context) for row in fleet.readings("bp-1")]
    query = recall.Query(fleet.clock.now() - timedelta(days=1), fleet.clock.now() + timedelta(days=1), lot="L_7")
    made = fleet.act(recall.flag, query, "lot_bad", "厂家召回")
    assert made.readings == 1
    assert [(row.id, row.reasons, row.sealed_values, row.context) for row in fleet.readings("bp-1")] == before
    flagged = fleet.look(recall.flags, [row.id for row in fleet.readings("bp-1")])
    hit = next(row for row in fleet.readings("bp-1") if "L_7" in row.context)
    assert flagged == {hit.id: ("lot_bad",)}
    from hub.readings import as_json

    assert fleet.look(lambda read: as_json(read, hit, with_values=False))["reasons"] == ["lot_bad"]


async def carry(fleet: Fleet) -> list[tuple[str, dict[str, Any], bool]]:
    fleet.door.said.clear()
    await jobs.carry_once(fleet.services)
    return list(fleet.door.said)


@pytest.mark.anyio
async def test_a_command_is_said_again_until_it_is_answered_once(fleet: Fleet) -> None:
    order = fleet.act(twin.order, "bp-1", "sync-clock")
    topic = topics.cmd(LIUHE, HUT, "bp-1", order.id)
    assert [(each[0], each[1]["name"]) for each in await carry(fleet)] == [(topic, "sync-clock")]
    assert await carry(fleet) == []
    fleet.clock.advance(twin.AGAIN_S)
    assert [each[0] for each in await carry(fleet)] == [topic]
    done = topics.done(LIUHE, HUT, "bp-1", order.id)
    fleet.up(done, b'{"ok": true, "result": {"was": "-16 min"}}')
    fleet.up(done, b'{"ok": false, "error": "late"}')
    fleet.clock.advance(twin.AGAIN_S)
    assert await carry(fleet) == []
    kept = fleet.look(lambda read: read.session.get(twin.Command, order.id))
    assert (kept.state, kept.answer) == ("done", '{"was": "-16 min"}')


@pytest.mark.anyio
async def test_a_command_ends_at_its_time_and_nobody_elses_answer_counts(fleet: Fleet) -> None:
    order = fleet.act(twin.order, "bp-1", "identify", expires_s=60)
    fleet.up(topics.done(TAYING, OTHER, "bp-1", order.id), b'{"ok": true}', OTHER)
    fleet.clock.advance(60)
    assert await carry(fleet) == []
    kept = fleet.look(lambda read: read.session.get(twin.Command, order.id))
    assert kept.state == "expired"
    fleet.up(topics.done(LIUHE, HUT, "bp-1", order.id), b'{"ok": true}')
    assert fleet.look(lambda read: read.session.get(twin.Command, order.id)).state == "expired"


@pytest.mark.anyio
async def test_what_is_wished_stands_at_the_door_until_the_device_says_it_follows(fleet: Fleet) -> None:
    fleet.act(twin.want, "bp-1", {"volume": "2", "language": "zh"})
    said = await carry(fleet)
    wish = topics.twin_desired(LIUHE, HUT, "bp-1")
    assert said == [(wish, {"version": 1, "volume": "2", "language": "zh"}, True)]
    assert await carry(fleet) == []
    body = {"s": "online", "version": 1, "volume": "2", "language": "en"}
    fleet.up(topics.twin_reported(LIUHE, HUT, "bp-1"), json.dumps(body).encode())
    kept = fleet.look(twin.of, "bp-1")
    assert kept.applied == 1
    differs = twin.delta(twin.desired(kept), twin.reported(kept))
    assert [(each.key, each.wanted, each.has) for each in differs] == [("language", "zh", "en")]


@pytest.mark.anyio
async def test_the_old_password_works_until_the_overlap_ends_and_then_its_connections_are_cut(fleet: Fleet) -> None:
    old = fleet.act(registry.rotate_credential, HUT)
    book = Registry(fleet.store, fleet.clock)
    await book.load()
    new = fleet.act(registry.rotate_credential, HUT, overlap_s=3600)
    assert await book.load() == set(), "nobody is cut while the old one still works"
    assert [await book.authenticate(HUT, each.encode()) is not None for each in (old, new, "x")] == [True, True, False]
    fleet.clock.advance(3600)
    assert await book.authenticate(HUT, old.encode()) is None
    assert await book.load() == {HUT}
    assert await book.load() == set()
    newest = fleet.act(registry.rotate_credential, HUT)
    assert await book.load() == {HUT}
    assert await book.authenticate(HUT, newest.encode()) is not None


def test_what_may_not_be_asked_is_refused_with_a_sentence(fleet: Fleet) -> None:
    for name, seconds in (("reboot", 60), ("identify", 0), ("identify", twin.EXPIRES_S_MAX + 1)):
        with pytest.raises(LinliError):
            fleet.act(twin.order, "bp-1", name, expires_s=seconds)
