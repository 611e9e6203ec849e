"""The store: tables and migrations agree, sealed fields are sealed, errors tell no values."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub import directory, migrations
from hub.directory import NewHousehold, NewResident
from hub.errors import Unavailable
from hub.seal import Seal
from tests.world import LIUHE, make_store, people


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    assert migrations.difference(store) == []
    assert migrations.current(store) == migrations.head()


def test_old_code_refuses_newer_data(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="9999"):
        migrations.upgrade(store)


def test_durability_is_really_switched_on(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_no_name_phone_or_card_stands_in_the_file(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.write_now(people)
    store.close()  # the last connection writes the log back into the file
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("linli.db*"))
    for secret in ("王桂兰", "林春禾", "周文", "10012345678", "LH-000001"):
        assert secret.encode() not in stored
    again = make_store(tmp_path)
    assert again.read_now(lambda read: directory.resident(read, "r-wang").name) == "王桂兰"


def test_a_card_finds_its_owner_and_nobody_else(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.write_now(people)
    found = store.read_now(lambda read: directory.resident_by_card(read, " lh-000001 "))
    assert found is not None
    assert found.id == "r-wang"
    assert store.read_now(lambda read: directory.resident_by_card(read, "LH-999999")) is None


def test_a_failing_insert_does_not_print_the_person(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = make_store(tmp_path)
    store.write_now(people)
    twice = NewHousehold(
        "h-x", "lh-b1", "9", (), (NewResident("r-wang", "h-x", "秘密名", "f", date(1990, 1, 1), "10099999999"),)
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(IntegrityError) as failed:
        store.write_now(lambda tx: directory.register_households(tx, LIUHE, [twice]))
    for text_of in (str(failed.value), caplog.text):
        assert "秘密名" not in text_of
        assert "10099999999" not in text_of


def test_a_sealed_phone_cannot_be_pasted_where_a_name_belongs() -> None:
    seal = Seal(bytes(range(64)))
    with pytest.raises(Unavailable):
        seal.read(seal.close(b"10012345678", "resident.phone"), "resident.name")
    assert seal.read(seal.close("王".encode(), "resident.name"), "resident.name").decode() == "王"
