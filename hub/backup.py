"""A backup is one file: the store as it was at one moment, with the pictures and voices that lie beside it.

It is taken from a hub at work, without stopping its writer, and it is a plain tar, so that in an emergency any machine
can open it. The sealing key is never in it: whoever finds a backup finds no name and no value. Nor is `broker.db`
(decision 0006): queues of last week would be sent again. What was planned to be sent at that moment is sent again.

A restore believes nothing: digests, the key, the structure, every seal and the audit chain are looked at beside the
data folder's own store, which is then kept under another name and never deleted.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from hub import soundness
from hub.errors import Conflict, Refused, Unavailable
from hub.i18n import _
from hub.seal import Seal

STORE, MANIFEST, FORM = "linli.db", "linli-backup.json", 1
FOLDERS = ("attachments", "clips")  # named by their content, so what is there already is the same
STEP_PAGES = 2_000  # 8 MB between two words of progress; the writer waits for none of them
ROOM_BYTES = 64 << 20  # what stays free for the hub's log and its reserve
MANIFEST_BYTES_MAX = 64 << 20
Tell = Callable[[int], None]
"""Hears how many per cent are done."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    at: str
    schema: str
    key: str
    digests: Mapping[str, str]


def make(folder: Path, store: Path, file: Path, seal: Seal, now: datetime, tell: Tell = lambda _done: None) -> Backup:
    """Write the backup beside its name first: a name that is there is a backup that is whole."""
    if file.exists():
        raise Conflict(_("{name} is there already; a backup overwrites nothing").format(name=file.name))
    free, wanted = shutil.disk_usage(file.absolute().parent).free, 2 * store.stat().st_size + ROOM_BYTES
    if free < wanted:  # beside the store it would take the room that urgent notices need
        free_mb, wanted_mb = free // 1_000_000, wanted // 1_000_000
        raise Conflict(_("{wanted} MB are needed there, {free} MB are free").format(wanted=wanted_mb, free=free_mb))
    snapshot, part = file.with_name(f"{file.name}.db"), file.with_name(f"{file.name}.part")
    try:
        schema = _snapshot(store, snapshot, tell)
        beside = {f"{name}/{path.name}": path for name in FOLDERS for path in sorted((folder / name).glob("*"))}
        held = {STORE: snapshot, **{name: path for name, path in beside.items() if path.is_file()}}
        made = Backup(now.isoformat(), schema, fingerprint(seal), {name: digest(path) for name, path in held.items()})
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            with tarfile.open(fileobj=out, mode="w") as tar:
                said = json.dumps(
                    {"form": FORM, "at": made.at, "schema": schema, "key": made.key, "sha256": made.digests}
                )
                head = tarfile.TarInfo(MANIFEST)
                head.size = len(said.encode())
                tar.addfile(head, io.BytesIO(said.encode()))
                for name, path in held.items():
                    tar.add(path, name, recursive=False)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
        _settle(file.parent)
        return made
    finally:
        for leftover in (part, snapshot, snapshot.with_name(f"{snapshot.name}-journal")):
            leftover.unlink(missing_ok=True)


def _snapshot(store: Path, target: Path, tell: Tell) -> str:
    """The store at one moment, page by page; its version. A reader's transaction holds that moment still."""
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(handle)
    with closing(sqlite3.connect(store, isolation_level=None)) as source, closing(sqlite3.connect(target)) as copy:
        source.execute("BEGIN")
        version: str = source.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        copy.execute("PRAGMA synchronous=OFF")  # what a power cut tears has no name yet
        source.backup(
            copy, pages=STEP_PAGES, progress=lambda _s, left, all_: tell(100 - 100 * left // max(all_, 1)), sleep=0
        )
        source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Unavailable(_("The store is damaged and was not backed up: {line}").format(line=str(said)[:200]))
    return version


def look(file: Path) -> Backup:
    """What a file says of itself, if it is a backup of ours."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            head = tar.next()
            if head is None or head.name != MANIFEST or head.size > MANIFEST_BYTES_MAX:
                raise tarfile.ReadError
            inside = tar.extractfile(head)
            said = json.loads(inside.read()) if inside else {}
        if said["form"] != FORM:
            raise Refused(_("This backup was written by a newer Linli; update the program, the backup is untouched"))
        return Backup(said["at"], said["schema"], said["key"], said["sha256"])
    except (tarfile.TarError, ValueError, KeyError, EOFError):
        raise Refused(_("{name} is no backup of Linli, or not all of it is there").format(name=file.name)) from None


def unpack(file: Path, backup: Backup, into: Path) -> None:
    """Into an empty folder, only what the manifest names, and each with its digest."""
    missing = dict(backup.digests)
    try:
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                if member.name in missing and member.isreg() and _ours(member.name):
                    target = into / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    inside = tar.extractfile(member)
                    if inside is not None:
                        with target.open("wb") as out:
                            shutil.copyfileobj(inside, out, 1 << 20)
                    if digest(target) == missing[member.name]:
                        del missing[member.name]
    except (tarfile.TarError, EOFError) as error:
        raise Refused(_("{name} is no backup of Linli, or not all of it is there").format(name=file.name)) from error
    if missing or STORE not in backup.digests:
        raise Refused(
            _("The backup is not as it was written: {names}").format(names=", ".join(sorted(missing)[:5]) or STORE)
        )


def _ours(name: str) -> bool:
    path = PurePosixPath(name)
    return name == STORE or (len(path.parts) == 2 and path.parts[0] in FOLDERS and path.parts[1] not in ("..", "."))


def in_use(store: Path) -> bool:
    """Whether any program has this store open: each connection to a log holds a lock on the file."""
    if not store.exists():
        return False
    try:
        with closing(sqlite3.connect(store, isolation_level=None, timeout=0.5)) as alone:
            alone.execute("PRAGMA locking_mode=EXCLUSIVE")
            alone.execute("BEGIN IMMEDIATE")
            alone.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False  # damaged: nobody can have it open, and that is why it is replaced
    return False


def put(unpacked: Path, folder: Path, store: Path, now: datetime) -> Path | None:
    """In place of what is there, which is kept. Pictures and voices join those that are there. Where it was kept."""
    for name in FOLDERS:
        for path in sorted((unpacked / name).glob("*")):
            target = folder / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                path.rename(target)
        if (folder / name).exists():
            _settle(folder / name)
    kept = soundness.set_aside(store, now, "before") if store.exists() else None
    _sync(unpacked / STORE)
    (unpacked / STORE).rename(store)
    _settle(store.parent)
    return kept


def fingerprint(seal: Seal) -> str:
    """Which key it was, without a bit of it."""
    return seal.mark("which key", "backup")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def percents(say: Callable[[str], None], every_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> Tell:
    """A word now and then, not one for each step."""
    last = clock()

    def tell(done: int) -> None:
        nonlocal last
        if clock() - last >= every_s:
            last = clock()
            say(f"{done} %")

    return tell


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """A rename is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)
