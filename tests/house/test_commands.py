"""The command line as it is typed: quick where it should be, whole, and one sentence for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from sqlalchemy import create_engine

from hub import cli, extras
from hub.main import admin
from tests.sources import ROOT

HEAVY = {"sqlalchemy", "sqlmodel", "fastapi", "starlette", "alembic", "uvicorn", "jinja2", "hypothesis", "fontTools"}


def linli(*words: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINLI_")}
    command = [sys.executable, "-m", "hub", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["settings", "--help"])
def test_a_quick_command_loads_nothing_heavy(word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hub", word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if line.count("|") == 2}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_every_command_of_the_contract_is_offered() -> None:
    words = linli("--help", COLUMNS="200").stdout
    contract = (
        "demo serve db area device gateway screen kiosk integrator user token simulate bench settings doctor test check"
    )
    assert not [word for word in contract.split() if f" {word} " not in words]
    simulated = linli("simulate", "--help", COLUMNS="200").stdout
    assert "Usage: linli simulate" in simulated
    assert not [word for word in ("hut", "tv", "phone", "wechat") if f" {word} " not in simulated]
    assert not [
        word for word in ("upgrade", "verify") if f" {word} " not in linli("db", "--help", COLUMNS="200").stdout
    ]


def test_the_overview_names_exactly_what_is_attached() -> None:
    """It is read from the sources, so that nothing is imported for it."""
    attached = typer.Typer()
    admin.register(attached)
    groups = {each.name: each.typer_instance.info.help for each in attached.registered_groups if each.typer_instance}
    assert cli.outline() == {**groups, "simulate": cli.SIMULATE}


def test_settings_are_shown_with_source_and_reason(tmp_path: Path) -> None:
    rows = json.loads(linli("settings", "--json", folder=tmp_path, LINLI_HTTP_PORT="8181").stdout)
    port = next(row for row in rows if row["name"] == "http_port")
    assert (port["value"], port["source"]) == ("8181", "environment")
    assert port["reason"]
    table = linli("settings", folder=tmp_path).stdout
    assert all(
        any(line.startswith(row["name"]) and row["reason"] in line for line in table.splitlines()) for row in rows
    )


def test_what_is_to_be_typed_stands_whole_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    how = extras.command("postgres")
    assert "'psycopg[binary]>=" in how
    cli._table(("", "mend by"), [("note", how)])
    assert how in capsys.readouterr().out


def test_a_mistake_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = linli("settings", folder=tmp_path, LINLI_SPEEED="2")
    assert done.returncode == 1
    assert done.stderr == "linli: speeed (environment) is no setting of Linli; did you mean speed?\n"


def test_a_database_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(**_words: object) -> None:
        create_engine("postgresql+psycopg://linli:secret@127.0.0.1:1/none").connect()

    monkeypatch.setattr(sys, "argv", ["linli", "serve"])
    monkeypatch.setattr(cli, "app", reach)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == "linli: The database cannot be reached; `linli doctor` looks further"


def test_the_doctor_names_a_taken_port_and_how_to_mend_it(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = linli("doctor", "--json", folder=tmp_path, LINLI_HTTP_PORT=port, LINLI_DATA_DIR=str(tmp_path / "data"))
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert found["http port"]["level"] == "note"
    assert "--port" in found["http port"]["mend"]
    assert done.returncode == 0


def test_the_doctor_fails_when_something_will_not_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = linli("doctor", "--json", folder=tmp_path, LINLI_DATA_DIR=str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert {one["what"] for one in json.loads(done.stdout) if one["level"] == "bad"} >= {"data folder"}
