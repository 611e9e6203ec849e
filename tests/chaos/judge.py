"""What stands in the store, read with nothing of ours but SQL, against the journal of what was acknowledged."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Judgement:
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    altered: int
    integrity: str

    @property
    def clean(self) -> bool:
        return (self.lost, self.doubled, self.altered, self.integrity) == (0, 0, 0, "ok")


def judge(database: Path, oracle: Path) -> Judgement:
    with closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT key, raw_sha256 FROM reading").fetchall()
        integrity = store.execute("PRAGMA integrity_check").fetchone()[0]
    stored = dict(rows)
    lost = altered = 0
    said: set[str] = set()
    for line in oracle.read_text().splitlines():
        entry = json.loads(line)
        said.add(entry["key"])
        if entry["key"] not in stored:
            lost += 1
        elif stored[entry["key"]] != hashlib.sha256(bytes.fromhex(entry["hex"])).hexdigest():
            altered += 1
    return Judgement(len(said), len(rows), lost, len(rows) - len(stored), altered, integrity)


def count(database: Path) -> int:
    """How many readings a dead hub's store holds, without changing anything in it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM reading").fetchone()[0])
