"""People come to a hut in its opening hours, most in the morning, the same people every time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice

from typer.testing import CliRunner

from simulators import equipment, visits
from simulators.baseline import LOCAL
from simulators.cli import app
from simulators.people import age, plan

DAY = date(2026, 11, 22)
PEOPLE = plan("linli-1", DAY).communities[0].people
HUT = equipment.HUTS[0]
runner = CliRunner()


def test_thirty_come_on_a_day_only_while_the_hut_is_open() -> None:
    found = visits.visits("s", HUT, DAY, PEOPLE)
    assert len(found) == 30
    assert {visit.at.hour for visit in found} <= {hour for hour, _ in visits.HOURS}
    assert all(age(visit.person.born, DAY) >= 18 for visit in found)
    assert found == visits.visits("s", HUT, DAY, PEOPLE)
    assert found != visits.visits("t", HUT, DAY, PEOPLE)


def test_nearly_half_come_in_the_first_two_hours_and_most_are_old() -> None:
    days = [visits.visits("s", HUT, DAY + timedelta(days=n), PEOPLE) for n in range(60)]
    every = [visit for day in days for visit in day]
    early = sum(visit.at.hour < 9 for visit in every) / len(every)
    old = sum(age(visit.person.born, DAY) >= 60 for visit in every) / len(every)
    assert 0.41 < early < 0.49
    assert 0.62 < old < 0.72


def test_a_live_hut_skips_the_night() -> None:
    """Two days hold 60 visits and 12 opening hours, whatever the hour of the start."""
    for hour in (0, 3, 12, 20):
        start = datetime(2026, 11, 22, hour, tzinfo=LOCAL).astimezone(UTC)
        gaps = [gap for gap, _ in islice(visits.gaps("s", HUT, start, PEOPLE), 60)]
        assert all(gap >= 0 for gap in gaps)
        assert 11 * 3600 < sum(gaps) <= 12 * 3600


def test_nobody_comes_where_nobody_lives() -> None:
    assert list(visits.gaps("s", HUT, datetime(2026, 11, 22, tzinfo=UTC), [])) == []


def test_every_part_of_the_outside_world_has_its_command() -> None:
    answer = runner.invoke(app, ["--help"])
    assert answer.exit_code == 0
    assert all(name in answer.output for name in ("hut", "tv", "phone", "wechat", "load"))


def test_a_command_that_cannot_start_says_what_to_do() -> None:
    for words, sentence in (
        (["hut", "nobody", "--password", "x"], "say its --area and at least one --device"),
        (["hut", "lh-hut-1", "--password", "x", "--faults", "gremlin"], "gremlin is no fault"),
        (["hut", "lh-hut-1", "--password", "x", "--mqtt", "http://x"], "mqtt://host:port"),
        (["hut", "lh-hut-1", "--password", "x", "--mqtt", "mqtt://127.0.0.1:1"], "Connection refused"),
        (["load", "--gateway", "a:b", "--oracle", "o"], "ID:PASSWORD:AREA"),
        (["phone", "http://127.0.0.1:1/login?code=x"], "All connection attempts failed"),
    ):
        answer = runner.invoke(app, words)
        assert answer.exit_code == 1, words
        assert sentence in answer.output
        assert "Traceback" not in answer.output
