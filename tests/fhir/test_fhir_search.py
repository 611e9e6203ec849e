"""Searching over HTTP: everybody finds what is theirs, pages neither lose nor repeat, each refusal has FHIR's form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Value
from hub import directory, erasure, login, recall, sightings
from hub.access import Permissions, Subject
from hub.civic.fhir import MODULE as FHIR
from hub.civic.fhir import shelf
from hub.civic.fhir.search import NotUnderstood, bound, question
from hub.civic.health import MODULE as HEALTH
from hub.civic.health import meals
from hub.readings import Reading
from tests.health.hutrig import HUT, Hut, run_apart, services_of
from tests.world import LIUHE, START
from web.app import create_app

BOTH = (HEALTH, FHIR)
APPS: dict[int, Any] = {}  # an application is dear to make: one for the module
ZONE = ZoneInfo("Asia/Shanghai")
EARLY, LATE = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-12-31")


@pytest.fixture(scope="module")
def hut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hut]:
    """Two weeks of Wang's, one pressure of Lin's, one that is nobody's."""
    made = Hut(Path(tmp_path_factory.mktemp("fhir")))
    for day in range(14):
        at = START - timedelta(days=day, hours=1)
        pressure = [Value("sys", Decimal(120 + day), "mm[Hg]"), Value("dia", Decimal(80), "mm[Hg]")]
        made.enter("bp", [*pressure, Value("pulse", Decimal(70), "/min")], person="r-wang", at=at)
    made.enter("temp", [Value("temp", Decimal("36.50"), "Cel")], person="r-wang", at=START)
    made.enter("bp", [Value("sys", Decimal(199), "mm[Hg]"), Value("dia", Decimal(99), "mm[Hg]")], person="r-lin")
    made.enter("bp", [Value("sys", Decimal(188), "mm[Hg]"), Value("dia", Decimal(98), "mm[Hg]")])
    services = replace(
        services_of(made), modules=BOTH, permissions=Permissions(each.permissions or {} for each in BOTH)
    )
    APPS[id(made)] = create_app(services)
    yield made
    del APPS[id(made)]
    made.store.close()


def ask(hut: Hut, who: str, *paths: str) -> list[httpx.Response]:
    """GET as resident `r-...`, as staff `s-...`, or as nobody."""
    surface = {"r": "resident", "s": "staff"}.get(who[:1], "")

    def enter(tx: Any) -> str:
        return login.open_session(tx, surface, surface, who, area=LIUHE)

    token = hut.store.write_now(enter) if surface else ""

    async def go() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=APPS[id(hut)])
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            if token:
                client.cookies.set(f"linli_{surface}", token)
            return [await client.get(path if path.startswith("http") else f"/fhir/R4/{path}") for path in paths]

    return run_apart(go())


def entries(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    return [each["resource"] for each in answer.json().get("entry", ())]


def test_a_resident_finds_their_own_and_nobody_elses(hut: Hut) -> None:
    mine, others, single = ask(hut, "r-wang", "Observation?_count=200", "Observation?patient=r-lin", "Observation/x")
    found = entries(mine)
    Bundle.model_validate_json(mine.content)
    assert {each["subject"]["reference"] for each in found} == {"Patient/r-wang"}
    assert len(found) == 29  # fourteen panels, fourteen pulses, one temperature
    assert not entries(others)
    assert single.status_code == 404
    OperationOutcome.model_validate_json(single.content)


def test_the_doors_are_shut_to_whoever_may_not_see_values(hut: Hut) -> None:
    for who, status in (("s-operator", 403), ("s-attendant", 403), ("s-staff", 403), ("nobody", 401)):
        (answer,) = ask(hut, who, "Observation")
        assert answer.status_code == status, who
        OperationOutcome.model_validate_json(answer.content)
        assert "120" not in answer.text


def test_a_doctor_finds_who_agreed_and_leaves_a_line(hut: Hut) -> None:
    (before,) = ask(hut, "s-doctor", "Observation?patient=r-lin")
    assert not entries(before)
    hut.act(directory.give_consent, "r-lin", "doctor", "1", "app")
    (after,) = ask(hut, "s-doctor", "Observation?patient=r-lin")
    assert [each["component"][0]["valueQuantity"]["value"] for each in entries(after)] == [199]
    looks = hut.store.read_now(lambda read: sightings.of_person(read, "r-lin"))
    assert [(look.where, look.count) for look in looks] == [("fhir", 1)]
    hut.act(directory.withdraw_consent, "r-lin", "doctor")
    assert not entries(ask(hut, "s-doctor", "Observation?patient=r-lin")[0])


@pytest.mark.parametrize("count", [3, 7])
def test_pages_lose_nothing_and_repeat_nothing_while_new_ones_come(hut: Hut, count: int) -> None:
    (whole,) = ask(hut, "r-wang", "Observation?_count=200&date=lt2026-11-22")
    expected = [each["id"] for each in entries(whole)]
    got: list[str] = []
    url = f"Observation?_count={count}&date=lt2026-11-22"
    while url:
        (page,) = ask(hut, "r-wang", url)
        found = entries(page)
        assert len(found) <= count
        got += [each["id"] for each in found]
        if len(got) == count:  # after the first page
            hut.enter("temp", [Value("temp", Decimal("36.60"), "Cel")], person="r-wang", at=START)
        url = next((link["url"] for link in page.json()["link"] if link["relation"] == "next"), "")
    assert got == expected


FOUND = {
    "code=85354-9": 14,
    "code=http://loinc.org|85354-9": 14,
    "code=urn:iso:std:iso:11073:10101|150020": 14,
    "code=http://snomed.info/sct|85354-9": 0,
    "code=8867-4": 14,
    "code=85354-9,8867-4": 28,
    "code=85354-9&date=2026-11-20": 1,
    "code=85354-9&date=ge2026-11-20&date=lt2026-11-22": 2,
    "code=85354-9&date=2026-11": 14,
    "code=85354-9&_lastUpdated=gt2030-01-01": 0,
    "category=laboratory": 0,
}
REFUSED = (
    "name=x", "date=yesterday", "date=ap2026", "date=2026-13-40", "_count=0", "_cursor=1", "_sort=code", "_format=xml",
    "patient=r-wang&subject=r-lin", "patient=a/../b", "code=1&code=2",
)  # fmt: skip


def test_a_search_finds_what_it_names(hut: Hut) -> None:
    answers = ask(hut, "r-wang", *(f"Observation?_count=200&{query}" for query in FOUND))
    assert {query: len(entries(answer)) for query, answer in zip(FOUND, answers, strict=True)} == FOUND


def test_what_is_not_understood_is_refused_in_fhirs_form(hut: Hut) -> None:
    for answer in ask(hut, "r-wang", *(f"Observation?{query}" for query in REFUSED)):
        assert answer.status_code == 400, answer.url
        OperationOutcome.model_validate_json(answer.content)


def test_devices_metrics_statement_and_an_unknown_type(hut: Hut) -> None:
    devices, metrics, one, statement, patient = ask(
        hut, "s-operator", "Device", "DeviceMetric?source=Device/bp-1", "Device/bp-1", "metadata", "Patient/r-wang"
    )
    assert {"bp-1", f"gateway.{HUT}"} <= {each["id"] for each in entries(devices)}
    assert {each["source"]["reference"] for each in entries(metrics)} == {"Device/bp-1"}
    assert one.json()["id"] == "bp-1"
    assert statement.json()["resourceType"] == "CapabilityStatement"
    assert patient.status_code == 404
    mine, staff = ask(hut, "r-boy", "Device")[0], ask(hut, "s-staff", "Device")[0]
    assert not entries(mine)  # nothing has ever measured him
    assert staff.status_code == 403


@settings(max_examples=60)
@given(st.datetimes(timezones=st.just(ZONE), min_value=EARLY, max_value=LATE), st.sampled_from([4, 7, 10, 16, 19]))
def test_a_date_is_as_wide_as_it_is_written_and_its_prefixes_fit_together(moment: datetime, length: int) -> None:
    text = moment.isoformat()[:length]
    here = int(moment.replace(microsecond=0).timestamp() * 1000)
    only = bound(text, ZONE)
    assert only.start_ms is not None
    assert only.end_ms is not None
    assert only.start_ms <= here < only.end_ms
    assert (bound(f"lt{text}", ZONE).end_ms, bound(f"ge{text}", ZONE).start_ms) == (only.start_ms, only.start_ms)
    assert (bound(f"le{text}", ZONE).end_ms, bound(f"gt{text}", ZONE).start_ms) == (only.end_ms, only.end_ms)


def test_a_zone_in_a_date_is_believed() -> None:
    at = bound("2026-11-22T01:00:00Z", ZONE)
    assert at.start_ms == int(datetime(2026, 11, 22, 1, tzinfo=UTC).timestamp() * 1000)
    assert bound("2026-11-22T09:00:00 08:00", ZONE) == at  # a plus that became a blank
    with pytest.raises(NotUnderstood):
        bound("2026-11-22T25:00", ZONE)


def test_an_erased_reading_is_gone_for_who_knew_it_and_never_was_for_others(hut: Hut) -> None:
    """On a reading of its own, so that the other tests keep their two weeks."""
    pressure = [Value("sys", Decimal(131), "mm[Hg]"), Value("dia", Decimal(81), "mm[Hg]")]
    ident = hut.enter("bp", pressure, person="r-lin", at=START - timedelta(days=400))
    path = f"Observation/{ident}"
    assert [ask(hut, who, path)[0].status_code for who in ("r-lin", "r-wang", "s-doctor")] == [200, 404, 404]
    hut.act(lambda tx: erasure.erase(tx, [ident], "self"))
    answers = [ask(hut, who, path)[0] for who in ("r-lin", "r-wang", "s-doctor")]
    assert [answer.status_code for answer in answers] == [410, 404, 404]
    assert OperationOutcome.model_validate_json(answers[0].content).issue[0].code == "deleted"
    assert not entries(ask(hut, "r-lin", "Observation?date=lt2026-01-01")[0])


def test_a_recall_is_found_by_when_it_was_said(tmp_path: Path) -> None:
    hut = Hut(tmp_path)
    numbers = [Value("sys", Decimal(133), "mm[Hg]"), Value("dia", Decimal(83), "mm[Hg]")]
    ident, fine = (hut.enter("bp", numbers, person="r-lin", at=START - timedelta(days=days)) for days in (300, 10))
    hut.clock.advance(3 * 86_400)
    query = recall.Query(device="bp-1", since=START - timedelta(days=301), until=START - timedelta(days=299))
    hut.act(lambda tx: recall.flag(tx, query, "recalled", "the maker withdrew it"))
    today = hut.clock.now().date().isoformat()

    def said(how: str) -> list[tuple[str, str]]:
        asked = question([("_lastUpdated", f"{how}{today}")], ZONE)
        who = Subject(id="r-lin", kind="resident")
        found = hut.store.read_now(lambda read: shelf.observations(read, who, asked)).entries
        return [(each["id"], each["status"]) for each in found]

    assert said("ge") == [(ident, "entered-in-error")]
    assert said("lt") == [(fine, "final")]
    assert said("ne") == [(fine, "final")]
    hut.store.close()


def test_what_a_person_said_of_a_meal_is_found_with_the_glucose_and_beats_the_meter(hut: Hut) -> None:
    entered = hut.enter("glucose", [Value("glucose", Decimal("6.1"), "mmol/L")], person="r-lin", at=START)
    hut.store.write_now(lambda tx: meals.say(tx, tx.session.get_one(Reading, entered), "fasting", "kiosk"))
    by_code, one = ask(
        hut, "r-lin", "Observation?code=urn:iso:std:iso:11073:10101|8417864", f"Observation/{entered}-meal"
    )
    [found] = entries(by_code)
    assert found == one.json()
    assert found["valueCodeableConcept"]["text"] == "Fasting"
    assert found["derivedFrom"] == [{"reference": f"Observation/{entered}"}]
