"""The tally: what a driver's journal says was acknowledged, against what a hub's database file holds.

Neither side is asked: the journal is the driver's own, fsynced file, the database is opened read-only with plain SQL.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tally:
    acknowledged: int
    stored: int
    lost: int  # acknowledged, but not in the database byte for byte
    doubled: int  # rows beyond the first that hold one and the same frame of one device
    sound: bool  # SQLite finds nothing wrong with the file


def compare(journal: Path, database: Path) -> Tally:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT key, device, raw_sha256 FROM reading").fetchall()
        sound = store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    held = {key: digest for key, _device, digest in rows}
    acknowledged: set[str] = set()
    lost = 0
    with journal.open("rb") as lines:
        for line in lines:
            said = json.loads(line)
            if said["key"] in acknowledged:  # sent twice, acknowledged twice: one reading
                continue
            acknowledged.add(said["key"])
            lost += held.get(said["key"]) != hashlib.sha256(bytes.fromhex(said["hex"])).hexdigest()
    frames = {(device, digest) for _key, device, digest in rows}
    return Tally(len(acknowledged), len(rows), lost, len(rows) - len(frames), sound)
