"""Backup and restore: one moment of a hub at work in one file, and a restore that believes nothing it has not seen."""

from __future__ import annotations

import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from hub import audit, backup, directory
from hub.db import Store
from hub.errors import Conflict, LinliError, Refused
from hub.events import ResidentsEntered
from hub.keyfile import kept
from hub.main import backups
from hub.main.backups import restore
from hub.settings import Settings, load
from tests.world import KEY, LIUHE, make_store, people

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hub's data folder with people and a picture."""
    made = tmp_path / "data"
    made.mkdir()
    kept(made / "keys" / "seal.key", lambda: KEY)
    (made / "attachments").mkdir()
    (made / "attachments" / "aa11").write_bytes(b"a picture")
    store = make_store(made)
    store.write_now(people)
    store.write_now(lambda tx: tx.emit(ResidentsEntered, area=LIUHE, residents=3, changed=0))
    store.close()
    return made


def settings(folder: Path) -> Settings:
    return load({"data_dir": folder}, {})


def taken(folder: Path) -> Path:
    file = folder.parent / "night.tar"
    store = make_store(folder)
    backup.make(folder, folder / "linli.db", file, store.seal, NOW)
    store.close()
    return file


def content(folder: Path) -> list[str]:
    """Every row of the store."""
    store = make_store(folder)
    try:
        return list(store.engine.raw_connection().driver_connection.iterdump())  # type: ignore[union-attr]
    finally:
        store.close()


def test_what_was_wiped_is_back_to_the_last_row(folder: Path) -> None:
    before, file = content(folder), taken(folder)
    assert (file.stat().st_mode & 0o777, b"seal.key" in file.read_bytes(), KEY in file.read_bytes()) == (
        0o600,
        False,
        False,
    )
    for gone in (folder / "attachments", folder / "linli.db"):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert restore(settings(folder), file, NOW) is None
    assert content(folder) == before
    assert (folder / "attachments" / "aa11").read_bytes() == b"a picture"
    store = make_store(folder)
    assert store.read_now(lambda read: directory.resident(read, "r-wang").name) == "王桂兰"
    assert store.read_now(audit.verify) is None
    store.close()


def test_a_backup_is_one_moment_of_a_store_that_is_written_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows that are always changed together; the copy goes on over several steps between the writes."""
    monkeypatch.setattr(backup, "STEP_PAGES", 40)
    store = make_store(folder)
    with store.engine.begin() as connection:
        connection.execute(text("INSERT INTO stamp (name, version) VALUES ('one', 0), ('two', 0)"))
    steps: list[int] = []

    def write(done: int) -> None:
        steps.append(done)
        assert len(steps) < 500, "the copying begins anew at every write"
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE stamp SET version = version + 1 WHERE name IN ('one', 'two')"))

    file = folder.parent / "night.tar"
    backup.make(folder, folder / "linli.db", file, store.seal, NOW, write)
    store.close()
    assert len(steps) > 5
    assert steps == sorted(steps)  # a writer does not make it begin anew
    restore(settings(folder), file, NOW)
    store = make_store(folder)
    with store.engine.connect() as connection:
        rows = (
            connection.execute(text("SELECT DISTINCT version FROM stamp WHERE name IN ('one', 'two')")).scalars().all()
        )
    store.close()
    assert rows == [0]


@pytest.mark.parametrize("wrong", ["flipped", "cut", "not ours", "added"])
def test_a_backup_that_is_not_as_it_was_written_touches_nothing(folder: Path, wrong: str) -> None:
    file = taken(folder)
    body = bytearray(file.read_bytes())
    if wrong == "flipped":
        body[len(body) // 2] ^= 1
    elif wrong == "cut":
        del body[len(body) // 2 :]
    elif wrong == "not ours":
        body = bytearray(b"something else" * 1_000)
    file.write_bytes(body)
    if wrong == "added":  # a member nobody wrote down is not unpacked, wherever it wants to go
        with tarfile.open(file, "a") as tar:
            tar.add(folder / "attachments" / "aa11", "../escaped")
        restore(settings(folder), file, NOW)
        assert not (folder / "escaped").exists()
        assert not (folder.parent / "escaped").exists()
        return
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(Refused):
        restore(settings(folder), file, NOW)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_store_with_a_changed_audit_row_is_not_put_back(folder: Path) -> None:
    store = make_store(folder)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE audit SET detail = '{}' WHERE seq = 1"))
    store.close()
    with pytest.raises(Refused, match="审计"):
        restore(settings(folder), taken(folder), NOW)


def test_with_another_key_or_while_a_hub_runs_nothing_happens(folder: Path) -> None:
    file = taken(folder)
    running = Store(f"sqlite:///{folder / 'linli.db'}", seal=make_store(folder).seal, clock=None, rng=None)  # type: ignore[arg-type]
    with running.engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM stamp"))
        with pytest.raises(Conflict):
            restore(settings(folder), file, NOW)
    running.close()
    (folder / "keys" / "seal.key").write_bytes(bytes(64))
    with pytest.raises(LinliError, match="keys"):
        restore(settings(folder), file, NOW)


def test_what_was_there_is_kept_and_the_commands_say_so(folder: Path) -> None:
    db = typer.Typer()
    backups.register(db)
    file = folder.parent / "own.tar"
    done = CliRunner().invoke(db, ["backup", str(file), "--data", str(folder)])
    assert (done.exit_code, "own.tar" in done.stdout) == (0, True)
    again = CliRunner().invoke(db, ["backup", str(file), "--data", str(folder)])
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    done = CliRunner().invoke(db, ["restore", str(file), "--data", str(folder)])
    assert done.exit_code == 0
    [old] = folder.glob("linli.db.before-*")
    assert old.name in done.stdout
    assert not list(folder.glob("restore-*"))


def test_a_backup_leaves_the_room_that_urgent_notices_need(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "ROOM_BYTES", 1 << 60)
    with pytest.raises(Conflict):
        taken(folder)
    assert not list(folder.parent.glob("night*"))


def test_a_command_on_a_store_that_somebody_holds_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub import db
    from hub.main import admin

    monkeypatch.setattr(db, "SQLITE_BUSY_MS", 50)
    held = make_store(folder)
    with held.engine.begin() as connection:
        connection.execute(text("UPDATE stamp SET version = version + 1"))
        done = CliRunner().invoke(
            admin.area, ["create", "420801000000", "district", "掇刀区", "Duodao", "--data", str(folder)]
        )
    held.close()
    assert (done.exit_code, done.stderr.count("\n"), "database is locked" in done.stderr) == (1, 1, False)
