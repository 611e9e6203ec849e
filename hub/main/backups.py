"""`linli db backup|restore FILE`: one file out, beside a hub at work; one file in, believed when all of it holds."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from hub import backup, migrations, soundness
from hub.db import Store
from hub.errors import Conflict, LinliError, NotFound, Refused
from hub.i18n import _
from hub.main.wiring import REAL
from hub.seal import Seal
from hub.settings import Settings

ZONE = ZoneInfo("Asia/Shanghai")
FILE = Annotated[Path, typer.Argument(dir_okay=False, help="The backup: one file, a plain tar.")]
DATA = Annotated[Path | None, typer.Option("--data", help="The hub's data folder.")]


def register(group: typer.Typer) -> None:
    group.command("backup")(out)
    group.command("restore")(back)


def out(file: FILE, data: DATA = None) -> None:
    """The store with its pictures and voices into one file, also while the hub runs; keep keys/ elsewhere."""
    settings = _settings(data)
    store = _sqlite(settings)
    if not store.exists():
        _stop(_("There is no SQLite store there"))
    try:
        tell = backup.percents(lambda said: typer.echo(said, err=True))
        made = backup.make(settings.data_dir, store, file, _seal(settings), REAL.clock.now(), tell)
    except LinliError as error:
        _stop(error.sentence)
    except OSError as error:
        _stop(_("The backup could not be written: {why}").format(why=error.strerror))
    size = file.stat().st_size / 1e6
    typer.echo(
        _("{name}: {n} files, {size} MB, version {version}").format(
            name=file.name, n=len(made.digests), size=f"{size:.1f}", version=made.schema
        )
    )


def back(file: FILE, data: DATA = None) -> None:
    """Put a backup in place of the store, which is kept under another name. Stop the hub first."""
    settings = _settings(data)
    try:
        kept = restore(settings, file, REAL.clock.now())
    except LinliError as error:
        _stop(error.sentence)
    except OSError as error:
        _stop(_("The backup could not be put back: {why}").format(why=error.strerror))
    if kept is not None:
        typer.echo(_("What was there is kept as {name}").format(name=kept.name))
    said = datetime.fromisoformat(backup.look(file).at).astimezone(ZONE)
    typer.echo(_("The store is as it was at {when}, and whole").format(when=f"{said:%Y-%m-%d %H:%M:%S}"))


def restore(settings: Settings, file: Path, now: datetime) -> Path | None:
    """Nothing of the data folder is touched before everything about the backup holds."""
    store, seal = _sqlite(settings), _seal(settings)
    if not file.exists():
        raise NotFound(_("There is no file {name}").format(name=str(file)))
    found = backup.look(file)
    if found.schema not in migrations.versions():
        raise Refused(_("This backup was written by a newer Linli; update the program, the backup is untouched"))
    if found.key != backup.fingerprint(seal):
        raise Refused(
            _("Another key sealed this backup; put that hub's keys folder to {path} first").format(
                path=str(settings.keys.parent)
            )
        )
    if backup.in_use(store):
        raise Conflict(_("A hub or a command has this store open; stop it first"))
    with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.data_dir) as name:
        unpacked = Path(name)
        backup.unpack(file, found, unpacked)
        look_through(unpacked / backup.STORE, seal)
        return backup.put(unpacked, settings.data_dir, store, now)


def look_through(file: Path, seal: Seal) -> None:
    """Structure, seals, frames and the audit chain, before it is believed."""
    opened = Store(f"sqlite:///{file}", seal=seal, clock=REAL.clock, rng=REAL.rng, inline=True)
    try:
        wrong = opened.read_now(lambda read: list(soundness.faults(read)))
    finally:
        opened.close()
    if wrong:
        raise Refused(_("The backup is not whole and was not put back: {why}").format(why=wrong[0]))


def _settings(data: Path | None) -> Settings:
    from hub.cli import effective

    return effective(data_dir=data)


def _sqlite(settings: Settings) -> Path:
    if not settings.database.startswith("sqlite:///"):
        _stop(
            _("The store is on PostgreSQL: back it up with pg_dump, with the folders attachments/ and clips/ beside it")
        )
    return Path(settings.database.removeprefix("sqlite:///"))


def _seal(settings: Settings) -> Seal:
    """The key that is there: a new one would open nothing."""
    if not settings.keys.exists():
        _stop(
            _("There is no sealing key at {path}; put the keys folder of that hub there first").format(
                path=str(settings.keys)
            )
        )
    return Seal.open(settings.keys)


def _stop(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
