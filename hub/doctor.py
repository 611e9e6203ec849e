"""What is wrong on this machine, and how to mend it: each finding is one sentence with one thing to do."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote, urlsplit

from channels import tv_codec
from hub import extras, font
from hub.broker import listening
from hub.settings import Settings, SettingsError

FREE_BYTES_MIN = 500_000_000  # the demo community, its copy and a day of write-ahead log
SQLITE_MIN = (3, 35, 0)  # RETURNING, which the ledger's idempotent insert needs


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    level: str  # ok | note (works with less) | bad (will not work)
    says: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _sqlite, _folder, _space, _http, _mqtt, _database, _font, _television, _environment,
    )  # fmt: skip
    for check in checks:
        yield check(settings)
    for program, used_for, package in (
        ("chromium", "browser tests", "chromium fonts-noto-cjk"),
        ("mosquitto", "tests on a second broker", "mosquitto mosquitto-clients"),
        ("ffmpeg", "tests of the TV channel", "ffmpeg"),
    ):
        yield _program(program, used_for, package)


def _python(_settings: Settings) -> Finding:
    return Finding("python", "ok", f"{sys.version.split()[0]} in {sys.prefix}")


def _sqlite(_settings: Settings) -> Finding:
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        return Finding(
            "sqlite", "bad", f"{sqlite3.sqlite_version} is too old", "use a Python with SQLite 3.35 or newer"
        )
    return Finding("sqlite", "ok", sqlite3.sqlite_version)


def _folder(settings: Settings) -> Finding:
    probe = settings.data_dir / ".doctor"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        probe.write_text("here", encoding="ascii")
        probe.unlink()
    except OSError as error:
        return Finding(
            "data folder", "bad", f"cannot write there: {error}", f"chown it, or set LINLI_DATA_DIR: {probe.parent}"
        )
    return Finding("data folder", "ok", str(settings.data_dir))


def _space(settings: Settings) -> Finding:
    place = next(path for path in (settings.data_dir, *settings.data_dir.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES_MIN:
        return Finding("disk", "bad", f"{free // 1_000_000} MB free at {place}", "free at least 500 MB")
    return Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


def _http(settings: Settings) -> Finding:
    return _port("http port", settings.http_host, settings.http_port, "--port or LINLI_HTTP_PORT")


def _mqtt(settings: Settings) -> Finding:
    if not settings.mqtt_url:
        try:
            listening.context(settings)
            wanted = listening.listeners(settings)
        except SettingsError as error:
            return Finding("mqtt port", "bad", str(error), "linli settings")
        found = [_port("mqtt port", each.host, each.port, f"LINLI_{each.knob.upper()}") for each in wanted]
        taken = [each for each in found if each.level != "ok"]
        return taken[0] if taken else Finding("mqtt port", "ok", "; ".join(each.says for each in found) or "none")
    where = urlsplit(settings.mqtt_url)
    port = where.port or (8883 if where.scheme in ("mqtts", "ssl") else 1883)
    return _reach("mqtt broker", where.hostname or "", port, "LINLI_MQTT_URL")


def _database(settings: Settings) -> Finding:
    where = urlsplit(settings.database)
    if where.scheme.startswith("sqlite"):
        return _sqlite_file(Path(settings.database.removeprefix("sqlite:///")))
    return _reach("database", where.hostname or "localhost", where.port or 5432, "LINLI_DATABASE_URL")


def _sqlite_file(file: Path) -> Finding:
    if not file.exists():
        return Finding("database", "ok", f"SQLite, {file.name} is made at the first start")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as store:
            said = store.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        return Finding("database", "note", f"{file.name} cannot be looked at: {error}", "try again when the hub is up")
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        mend = "`linli db restore FILE` of a backup, or `linli db setaside` and start anew"
        return Finding("database", "bad", f"{file.name} is damaged: {said}", mend)
    return Finding("database", "ok", f"SQLite, {file.name} is whole")


def _font(settings: Settings) -> Finding:
    ready = font.files(settings.state_dir)
    if ready.complete():
        return Finding("font", "ok", f"{ready.woff2.stat().st_size / 1e6:.1f} MB for {font.FAMILY}")
    return Finding("font", "note", "not made yet, so the system's own font serves", "linli font")


def _television(_settings: Settings) -> Finding:
    if tv_codec.available():
        return Finding("tv channel", "ok", "a channel for every community at /tv/playlist.m3u")
    says = "the extra tv is missing: no /tv/*/live.m3u8; the portal page works"
    return Finding("tv channel", "note", says, extras.command("tv"))


def _environment(_settings: Settings) -> Finding:
    """Packages that are there twice: what an interrupted install by hand leaves behind."""
    seen: dict[str, set[str]] = {}
    for one in distributions():
        seen.setdefault(one.name.lower(), set()).add(one.version)
    twice = sorted(name for name, versions in seen.items() if len(versions) > 1)
    if twice:
        return Finding("packages", "bad", f"installed twice: {', '.join(twice)}", "delete .venv and start linli again")
    return Finding("packages", "ok", f"{len(seen)} installed")


def _port(what: str, host: str, port: int, knob: str) -> Finding:
    try:
        with socket.create_server((host, port)):
            return Finding(what, "ok", f"{host}:{port} is free")
    except OSError as error:
        mend = f"stop what uses it (another linli?), or choose another by {knob}"
        return Finding(what, "note", f"{host}:{port} cannot be opened: {error.strerror}", mend)


def _reach(what: str, host: str, port: int, knob: str) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=3):
            return Finding(what, "ok", f"{host}:{port} answers")
    except OSError as error:
        return Finding(what, "bad", f"{host}:{port} does not answer: {error}", f"start it, or correct {knob}")


def _program(program: str, used_for: str, package: str) -> Finding:
    if path := shutil.which(program):
        return Finding(program, "ok", path)
    return Finding(program, "note", f"not here; needed for {used_for}", f"apt install {package}")
