"""The register of residents: all lines right or none entered, the same file twice is once, a kill is mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from hub import audit, census, directory
from hub.audit import AuditRow
from hub.db import Store
from hub.directory import Household, Resident
from hub.errors import Refused
from hub.main.residents import run
from tests.world import LIUHE, STREET, make_store, people

HEAD = "姓名,性别,出生日期,楼栋,房号,电话,卡号,标签,编号"
TABLE = f"""{HEAD}
赵青,女,1950-03-02,1栋,301,100 1111-2222,lh-900001,独居、志愿者,A1
赵山,男,1948/7/9,1栋,301,,,,A2
钱一,男,1990.1.1,7栋,101,,,,A3
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = make_store(tmp_path)
    made.write_now(people)
    yield made
    made.close()


def take(store: Store, text: str, area: str = LIUHE) -> tuple[census.Entered, list[census.Problem]]:
    return run(store, text.encode(), area, take=True, breath_s=0)


def count(store: Store) -> int:
    return store.read_now(lambda read: read.session.execute(select(func.count()).select_from(Resident)).scalar_one())


def by_card(store: Store, card: str) -> Resident | None:
    return store.read_now(lambda read: directory.resident_by_card(read, card))


def test_a_register_comes_in_with_its_homes_and_twice_is_once(store: Store) -> None:
    before = count(store)
    assert take(store, TABLE) == (census.Entered(homes=2, residents=3), [])
    found = by_card(store, "LH-900001")
    assert found is not None
    assert (found.name, found.phone, found.tags) == ("赵青", "10011112222", " alone volunteer ")
    home = store.read_now(lambda read: read.session.get_one(Household, found.household))
    assert (home.size, home.flat, home.building) == (2, "301", "lh-b1")  # the building that was there, by its name
    assert take(store, TABLE) == (census.Entered(known=3), [])
    assert count(store) == before + 3


def test_a_line_that_is_wrong_keeps_all_of_them_out_and_is_named_by_its_number_alone(store: Store) -> None:
    before = count(store)
    wrong = (
        TABLE
        + "孙二,?,1990-01-01,1栋,302,,,,\n李三,男,2090-01-01,1栋,302,,,,\n周四,男,1990-01-01,1栋,302,,,糖尿病,\n,,,,\n"
    )
    entered, problems = take(
        store, wrong + "吴五,男,1990-01-01,1栋,303,,LH-000001,,\n郑六,男,1990-01-01,1栋,303,,,,A1\n"
    )
    assert entered == census.Entered()
    assert [one.line for one in problems] == [5, 6, 7, 9, 10]
    assert not [one for one in problems if any(name in one.why for name in ("孙二", "李三", "周四", "吴五"))]
    assert count(store) == before


def test_an_import_stopped_between_two_pages_goes_on_with_the_same_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "HOMES_PAGE", 1)
    table, _wrong = census.lines(TABLE.encode(), store.clock.now().date())
    first = next(census.pages(table))
    store.write_now(lambda tx: census.enter(tx, LIUHE, first))  # and here the power goes
    assert take(store, TABLE) == (census.Entered(homes=1, residents=1, known=2), [])


def test_a_newer_register_puts_right_whom_it_knows_by_number_and_moves_nobody(store: Store) -> None:
    take(store, TABLE)
    newer = f"{HEAD}\n赵清,女,1950-03-02,1栋,301,10033334444,,,A1\n赵海,男,2020-01-01,1栋,301,,,,\n"
    assert take(store, newer)[0] == census.Entered(residents=1, changed=1)
    found = by_card(store, "LH-900001")  # an empty cell took nothing away
    assert found is not None
    assert (found.name, found.phone) == ("赵清", "10033334444")
    assert store.read_now(lambda read: read.session.get_one(Household, found.household)).size == 3
    _none, problems = take(store, f"{HEAD}\n赵清,女,1950-03-02,9栋,301,,,,A1\n")
    assert [one.line for one in problems] == [2]


def test_a_spreadsheets_own_encoding_is_read_and_a_street_has_no_residents(store: Store) -> None:
    assert run(store, TABLE.encode("gb18030"), LIUHE, take=False)[0].residents == 3
    for body, area in ((TABLE.encode(), STREET), ("名字\n".encode(), LIUHE), (b"\xff\xff\xff", LIUHE)):
        with pytest.raises(Refused):
            run(store, body, area, take=True, breath_s=0)


def test_the_audit_log_says_how_many_came_in_and_nobody_s_name(store: Store) -> None:
    take(store, TABLE)
    rows = store.read_now(
        lambda read: list(read.session.execute(select(AuditRow).order_by(col(AuditRow.seq))).scalars())
    )
    assert "ResidentsEntered" in repr(rows)
    assert "赵青" not in repr(rows)
    assert store.read_now(audit.verify) is None
    listed = store.read_now(lambda read: census.listing(read, LIUHE))
    assert {one["name"] for one in listed if one["door"] == "1栋 301"} == {"赵**"}
