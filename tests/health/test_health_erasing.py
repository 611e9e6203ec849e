"""Erasing one's own readings, and the meal before a glucose: what goes is gone, what stays says why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlmodel import SQLModel, col

from devices.base import Measurement, Value
from devices.codecs import codec
from devices.profile import all_profiles
from hub import audit, derived, readings
from hub.civic.health import bands, erasing, keeping, kiosk, meals, trend
from hub.civic.health.erasing import Scope
from hub.civic.health.models import PastBand
from hub.civic.health.rules import DEFAULT_SETS, rulesets
from hub.db import Actor, Read
from hub.erasure import ERASED
from hub.errors import Refused
from hub.quarantine import QuarantineRow
from hub.readings import RawFrame, Reading
from tests.health.hutrig import HUT, LIN, WANG, Hut, run_apart
from tests.health.test_health_pages import ask
from tests.health.test_health_triage import SECOND, found, say, urgent_visit

PRESSURE = {"sys": "137", "dia": "83", "map": "101", "pulse": "71"}
OTHER = {"sys": "143", "dia": "89", "map": "107", "pulse": "77"}


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def erase(hut: Hut, reading: str = "", person: str = "r-wang") -> int:
    who = Actor(f"resident:{person}")
    return hut.store.write_now(lambda tx: erasing.erase(tx, Scope(person, reading), "self"), who)


def count(read: Read, table: type[SQLModel]) -> int:
    return int(read.session.execute(select(func.count()).select_from(table)).scalar_one())


def blobs(hut: Hut, ident: str) -> list[bytes]:
    """Everything sealed that was made of a reading, as it lies on the disk."""
    asked = (
        "SELECT sealed_values FROM reading WHERE id = :id UNION ALL SELECT payload FROM raw_frame WHERE reading = :id "
        "UNION ALL SELECT verdict FROM health_band WHERE reading = :id"
    )
    return hut.store.read_now(lambda read: [bytes(row[0]) for row in read.session.execute(text(asked), {"id": ident})])


def on_disk(hut: Hut) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(hut.folder.glob("linli.db*")) if path.suffix != ".db-shm")


def mentions(hut: Hut, ident: str) -> set[str]:
    """The tables in which an id stands anywhere."""

    def look(read: Read) -> set[str]:
        named = set()
        for table in SQLModel.metadata.sorted_tables:
            for row in read.session.execute(table.select()):
                if any(ident in str(cell) for cell in row):
                    named.add(table.name)
        return named

    return hut.store.read_now(look)


def test_nothing_of_an_erased_reading_is_left_in_the_file(hut: Hut) -> None:
    hut.visit(WANG)
    gone, kept = hut.measure(values=PRESSURE), hut.measure(values=OTHER, at=hut.clock.now())
    hut.clock.advance(90)
    kept = hut.measure(values=OTHER)
    traces, others = blobs(hut, gone), blobs(hut, kept)
    assert len(traces) >= 3
    assert all(each in on_disk(hut) for each in traces), "what is looked for would be found"
    erase(hut, gone)
    assert run_apart(hut.store.settle_log())
    left = on_disk(hut)
    assert not [each for each in traces if each in left]
    assert others[0] in left, "the other one is whole"
    assert mentions(hut, gone) <= {"reading", "erasure", "audit"}
    assert "137" not in hut.page(), "the kiosk that showed it shows it no longer"


def test_the_same_frame_sent_again_does_not_bring_it_back(hut: Hut) -> None:
    hut.visit(WANG)
    gone = hut.measure(values=PRESSURE)
    erase(hut, gone)
    hut.measure(values=PRESSURE)
    hut.measure(values=OTHER)  # the same moment by the device's clock: other content under the same key

    def look(read: Read) -> tuple[int, int, int]:
        return count(read, Reading), count(read, RawFrame), count(read, QuarantineRow)

    assert hut.store.read_now(look) == (1, 0, 0)
    row = hut.reading(gone)
    assert (row.person, row.reasons, row.raw_sha256, row.context, row.session) == (None, ERASED, "", "{}", None)
    assert not hut.store.read_now(lambda read: derived.numbers_of(readings.values(read, row)))
    assert erase(hut, gone) == 0


def test_whatever_is_erased_and_sent_again_stays_erased(hut: Hut) -> None:
    hut.visit(WANG)
    before = 0

    @settings(max_examples=8, deadline=None)
    @given(steps=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
    def any_order(steps: list[tuple[int, bool]]) -> None:
        nonlocal before
        hut.clock.advance(60)
        moment, known, erased = hut.clock.now(), dict[int, str](), set[int]()
        for which, away in steps:
            if away and which in known:
                erase(hut, known[which])
                erased.add(which)
            else:
                known.setdefault(which, hut.measure(values=PRESSURE, at=moment.replace(second=which)))
        mine = select(func.count()).select_from(Reading).where(col(Reading.id).in_(known.values()))
        left = hut.store.read_now(lambda read: read.session.execute(mine.where(col(Reading.person) == "r-wang")))
        assert left.scalar_one() == len(set(known) - erased)
        before += len(known)
        assert hut.store.read_now(lambda read: count(read, Reading)) == before, "what was measured stays countable"

    any_order()


def test_what_leaned_on_an_erased_reading_is_found_anew(hut: Hut) -> None:
    cm, kg = Value.of("height", Decimal(160), "cm"), Value.of("weight", Decimal("72.0"), "kg")
    hut.act(kiosk.open_session, HUT, card=LIN)
    height = hut.enter("height", [cm], person="r-lin")
    hut.clock.advance(60)
    weight = hut.enter("weight", [kg], person="r-lin")
    assert hut.store.read_now(lambda read: [band.name for band in bands.of(read, hut.reading(weight))]) != ["absent"]
    erase(hut, height, "r-lin")
    (band,) = hut.store.read_now(lambda read: bands.of(read, hut.reading(weight)))
    assert (band.level, band.readings) == ("none", (weight,))
    assert hut.store.read_now(lambda read: count(read, PastBand)) == 0, "an index of the height would tell the height"


def test_a_task_ends_with_its_last_reading_and_not_before(hut: Hut) -> None:
    urgent_visit(hut)
    say(hut, yes=True)
    (task,) = found(hut)
    alert = hut.alerts()[-1]
    erase(hut, str(alert.reading))
    assert [each.id for each in found(hut)] == [task.id]
    erase(hut, str(alert.confirmed_by))
    assert not found(hut)
    left = hut.alerts()[-1]
    assert (left.reading, left.session, left.state, left.told_doctor) == (None, None, "done", False)
    assert hut.store.read_now(audit.verify) is None


def test_a_resident_reads_what_goes_and_what_stays_before_it_goes(hut: Hut) -> None:
    hut.visit(WANG)
    mine = hut.measure(values=PRESSURE)
    hut.act(kiosk.end, HUT)
    hut.clock.advance(60)
    hut.visit(LIN)
    hers = hut.measure(values=OTHER)

    async def asks(client: httpx.AsyncClient, csrf: str) -> tuple[str, list[int], str]:
        page = (await client.get("/me/health/erase")).text
        strange = [
            (await client.get(f"/me/health/erase?reading={hers}")).status_code,
            (await client.get(f"/me/health/readings/{hers}")).status_code,
            (await client.post("/me/health/erase", data={"csrf": csrf, "reading": hers})).status_code,
        ]
        own = (await client.get(f"/me/health/readings/{mine}")).text
        assert f'href="/why/{mine}"' in own
        assert "bp-cn-2024@" in own
        await client.post("/me/health/erase", data={"csrf": csrf, "reading": ""})
        return page, strange, (await client.get("/me/health?erased=1")).text

    page, strange, after = ask(hut, "resident", "resident", "r-wang", asks)
    for words in ("永久删除的内容", "保留的内容和原因", "备份", "不在我们手中"):
        assert words in page, words
    assert strange == [404, 404, 303]
    assert "已删除" in after
    assert "137" not in after
    assert hut.reading(hers).person == "r-lin", "a post of another's number erases nothing"
    assert hut.store.read_now(lambda read: trend.of_kind(read, "r-wang", "bp")) is None


def test_after_three_years_the_numbers_go_by_themselves_and_guests_stay_counted(hut: Hut) -> None:
    mine = hut.enter("bp", [Value("sys", Decimal(121), "mm[Hg]"), Value("dia", Decimal(79), "mm[Hg]")], person="r-lin")
    hut.clock.advance(3 * 365 * 86_400)
    later = hut.enter("bp", [Value("sys", Decimal(122), "mm[Hg]"), Value("dia", Decimal(78), "mm[Hg]")], person="r-lin")
    assert hut.store.write_now(keeping.let_go) == 0
    hut.clock.advance(2 * 86_400)
    assert hut.store.write_now(keeping.let_go) == 1
    assert hut.store.write_now(keeping.let_go) == 0
    assert (hut.reading(mine).person, hut.reading(mine).raw_sha256) == (None, "")
    assert hut.reading(later).person == "r-lin"
    assert hut.store.read_now(keeping.erased_lately)


def sugar(hut: Hut, number: str, meal: str) -> str:
    values = [Value.of("glucose", Decimal(number), "mmol/L")]
    return hut.enter("glucose", values, person="r-lin", context=f'{{"meal":"{meal}"}}')


def word(hut: Hut, ident: str) -> tuple[str, str]:
    (band,) = hut.store.read_now(lambda read: bands.of(read, hut.reading(ident)))
    return band.ruleset, band.level


def meter(hut: Hut, number: str, record: int, meal: str | None = None) -> str:
    """A meter's own frame, as it comes over the line."""
    taken = (hut.clock.now() + timedelta(hours=8)).replace(tzinfo=None, microsecond=0)
    value = Value("glucose", Decimal(number), "mmol/L")
    said = Measurement("glucose", (value,), taken, (), {"meal": meal} if meal else {}, str(record))
    return hut.send("glucose", codec("sig.2a18").encode(said, all_profiles()["generic.sig.2a18"]))


def test_the_kiosk_asks_when_one_last_ate_and_the_word_follows(hut: Hut) -> None:
    hut.visit(LIN)
    hut.act(kiosk.choose, HUT, "glucose")
    page = hut.page()
    assert 'data-stage="meal"' in page
    for words in ("空腹", "餐前", "餐后2小时", "睡前", "说不清，直接测"):
        assert words in page, words
    hut.act(meals.answer, HUT, "fasting")
    assert 'data-stage="measuring"' in hut.page()
    ident = meter(hut, "6.5", 1)
    assert word(hut, ident) == ("glucose-fasting", "high")
    assert "空腹" in hut.page()
    hut.clock.advance(30)
    hut.act(kiosk.ask_meal, HUT)
    assert 'data-stage="meal"' in hut.page()
    hut.act(meals.answer, HUT, "after")
    assert 'data-stage="result"' in hut.page()
    assert "餐后2小时" in hut.page()
    assert word(hut, ident) == ("glucose-after-meal", "in_range")


def test_passing_it_over_means_any_hour_and_never_outweighs_the_meter(hut: Hut) -> None:
    hut.visit(LIN)
    hut.act(kiosk.choose, HUT, "glucose")
    hut.act(meals.answer, HUT, "")
    assert word(hut, meter(hut, "12.0", 1)) == ("glucose-casual", "high")
    hut.clock.advance(60)
    assert word(hut, meter(hut, "6.5", 2, meal="fasting")) == ("glucose-fasting", "high")


def test_putting_the_meal_right_makes_a_new_row_and_keeps_the_old(hut: Hut) -> None:
    ident = sugar(hut, "6.5", "fasting")
    assert word(hut, ident) == ("glucose-fasting", "high")
    hut.clock.advance(60)
    hut.act(lambda tx: meals.say(tx, hut.reading(ident), "after", "phone"))
    assert word(hut, ident) == ("glucose-after-meal", "in_range")
    ((past, before),) = hut.store.read_now(lambda read: bands.earlier(read, ident))
    assert (before.ruleset, before.level, past.why) == ("glucose-fasting", "high", "meal")
    events = select(audit.AuditRow).where(col(audit.AuditRow.kind) == "MealSaid")
    (line,) = hut.store.read_now(lambda read: list(read.session.execute(events).scalars()))
    assert '"before":"fasting","meal":"after"' in line.detail
    with pytest.raises(Refused):
        hut.act(lambda tx: meals.say(tx, hut.reading(ident), "brunch", "phone"))


def test_no_meal_makes_an_urgent_glucose_less_urgent() -> None:
    """So an answer given afterwards can neither raise nor take back an alarm."""
    limits = {
        name: [(each.name, each.limits) for each in rulesets()[name].grades if each.level == "urgent"]
        for name in DEFAULT_SETS["glucose"]
    }
    assert len({str(each) for each in limits.values()}) == 1
    assert SECOND  # the pressures of S-2 stay what they are
