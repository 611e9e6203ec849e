"""P17: a bit that turned over is reported, or it changed nothing; a damaged store is kept, and its name is said."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from hub import soundness
from hub.db import Read, Store
from hub.doctor import examine
from hub.errors import LinliError
from hub.main import wiring
from hub.readings import RawFrame, Reading, open_raw, open_values
from hub.settings import load
from tests.power.machine import power
from tests.world import make_store

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
HEADER_BYTES, PAGE_BYTES = 100, 4_096
INTERIOR = (2, 5)  # the first byte of an interior page of an index, of a table
Everything = list[tuple[object, ...]]


def filled(folder: Path) -> tuple[bytes, Everything]:
    machine = power(folder)
    for batch in range(6):
        machine.send(*range(batch * 50, batch * 50 + 50))
    machine.off()
    content = (folder / "linli.db").read_bytes()
    seen = look(folder, content)
    assert isinstance(seen, list)
    assert len(seen) == 300
    return content, seen


def look(folder: Path, content: bytes) -> Everything | str:
    """What a hub makes of this file: all readings with values and frames, or what it reports."""
    for old in folder.glob("linli.db*"):
        old.unlink()
    (folder / "linli.db").write_bytes(content)
    store: Store | None = None
    try:
        store = make_store(folder)
        return store.read_now(_everything)
    except (DBAPIError, LinliError, sqlite3.DatabaseError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if store is not None:
            store.close()


def _everything(read: Read) -> Everything | str:
    found = list(soundness.faults(read))
    if found:
        return f"verify: {found[0]}"
    rows = select(Reading, RawFrame.payload).join(RawFrame, col(RawFrame.reading) == col(Reading.id))
    return sorted(
        (row.key, row.device, row.raw_sha256, str(open_values(read.seal, row.sealed_values)), open_raw(read.seal, raw))
        for row, raw in read.session.execute(rows)
    )


def flips(content: bytes, where: str, dice: random.Random) -> list[int]:
    """Offsets of bytes to spoil: of the header, of interior pages, of sealed blobs."""
    if where == "header":
        found = list(range(HEADER_BYTES))
    elif where == "interior pages":
        starts = [at for at in range(PAGE_BYTES, len(content), PAGE_BYTES) if content[at] in INTERIOR]
        assert starts, "too small a store to have an interior page"
        found = [start + each for start in starts for each in (*range(12), *range(PAGE_BYTES - 60, PAGE_BYTES, 5))]
    else:
        found = [at + each for at in _sealed(content) for each in range(0, 40, 7)]
    return found if LONG else dice.sample(found, min(30, len(found)))


def _sealed(content: bytes) -> list[int]:
    """Where the bytes of frames and values stand in the file."""
    with closing(sqlite3.connect(":memory:")) as store:
        store.deserialize(content)
        blobs = store.execute(
            "SELECT sealed_values FROM reading UNION ALL SELECT payload FROM raw_frame ORDER BY 1 LIMIT 40"
        ).fetchall()
    return [content.index(blob) for (blob,) in blobs]


@pytest.mark.parametrize("where", ["header", "interior pages", "sealed bytes"])
def test_a_turned_bit_is_reported_or_harmless(where: str, tmp_path: Path) -> None:
    content, whole = filled(tmp_path / "store")
    dice, reports = random.Random(17), list[str]()
    for at in flips(_as_rollback(content), where, dice):
        spoilt = bytearray(content)
        spoilt[at] ^= 1 << dice.randrange(8)
        seen = look(tmp_path / "store", bytes(spoilt))
        assert isinstance(seen, str) or seen == whole, f"byte {at} changed what is read, and nobody said so"
        reports += [seen] if isinstance(seen, str) else []
    assert reports
    if where == "sealed bytes":
        assert all(each.startswith("verify: ") for each in reports), "found before anybody opens that reading"


def _as_rollback(content: bytes) -> bytes:
    """The same file for a reader in memory, which has no log."""
    return content[:18] + b"\x01\x01" + content[20:]


def test_a_damaged_store_stops_the_start_and_is_never_deleted(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, {})
    wiring.open_store(settings).close()
    file = tmp_path / "linli.db"
    file.write_bytes(b"no longer a database" * 1_000)
    with pytest.raises(soundness.Damaged, match=r"linli\.db"):
        wiring.open_store(settings)
    assert file.read_bytes() == b"no longer a database" * 1_000
    found = next(each for each in examine(settings) if each.what == "database")
    assert (found.level, "setaside" in found.mend) == ("bad", True)
    kept = soundness.set_aside(file, datetime(2026, 11, 22, 7, 30, tzinfo=UTC))
    assert kept.name == "linli.db.damaged-20261122T073000"
    assert kept.read_bytes() == b"no longer a database" * 1_000
    wiring.open_store(settings).close()
    assert next(each for each in examine(settings) if each.what == "database").level == "ok"
