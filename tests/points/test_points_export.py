"""The exported ledger: one program of forty lines finds one changed bit; an accountant's program accepts the rest.

A sample of the bits in the suite, every bit with LINLI_TEST_LONG=1.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.civic.points import budget, chain, export, holds, ledger, verify_ledger
from hub.civic.points.why import Why
from hub.clock import ManualClock
from hub.db import Tx
from tests.points.ledgers import a_store, account, issue
from tests.points.test_points_rewards import OTHERS
from tests.world import LIUHE, START

PROGRAM = Path(verify_ledger.__file__)
LONG = os.environ.get("LINLI_TEST_LONG") == "1"
SAMPLE = 500
# Whatever some program takes for the end of a line, a cell or the file: a word processor's soft return among them.
SOFT = "五\x0b六\x0c七\x1c八\x85九\u2028十\u2029"
ODD = f"白纸,“黑字”\n第二行\r\n三\r四{SOFT},\"end,\\' "
GIVEN = Why("award", item="C01", catalogue="jingmen-46@1", evidence="白纸,“黑字”\n第二行")


def _live(tx: Tx) -> None:
    """A month of every kind of entry, in two units."""
    wang, lin = account(tx, "person", "r-wang"), account(tx, "person", "r-lin")
    ledger.post(tx, issue(tx), wang, 300, "a", GIVEN)
    ledger.post(tx, wang, lin, 40, "b", Why("share"))
    holds.hold(tx, wang, 100, f"c {ODD}", Why("hold", about="一\r二", evidence=ODD), tx.now() + timedelta(days=7))
    holds.post(tx, f"c {ODD}", ledger.house_account(tx, "redeem", LIUHE, "Asia/Shanghai"), Why("redeem", evidence=SOFT))
    for signer in OTHERS:
        budget.grant(tx, LIUHE, 2026, 7_300, signer)
    budget.encumber(tx, LIUHE, 2026, 2_551, "c")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The community's file, one resident's, the Beancount journal, and the published heads."""
    clock = ManualClock(START)
    with a_store(tmp_path_factory.mktemp("export"), clock=clock) as store:
        store.write_now(_live)
        clock.set(START + timedelta(days=20))
        store.write_now(lambda tx: ledger.post(tx, issue(tx), account(tx, "person", "r-lin"), 5, "d", GIVEN))
        heads = store.read_now(chain.heads)
        yield (
            store.read_now(lambda read: export.csv_file(read, [LIUHE])).encode(),
            store.read_now(
                lambda read: export.csv_file(read, [LIUHE], month="2026-11", whose={"person-r-lin"})
            ).encode(),
            store.read_now(lambda read: export.beancount_file(read, [LIUHE])),
            [f"{area}/{month}={head}" for (area, month), head in heads.items()],
        )


def test_the_program_is_forty_lines_of_the_standard_library() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))} <= {
        "csv", "hashlib", "pathlib", "sys",
    }  # fmt: skip


def test_an_exported_ledger_is_sound_and_leads_to_the_published_heads(files: Any, tmp_path: Path) -> None:
    whole, _mine, _journal, heads = files
    assert len(heads) == 2
    (tmp_path / "ledger.csv").write_bytes(whole)
    words = [sys.executable, "-I", str(PROGRAM), str(tmp_path / "ledger.csv")]
    done = subprocess.run([*words, *heads], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(head in done.stdout for head in heads)
    wrong = subprocess.run([*words, heads[0][:-1] + "x"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert wrong.returncode != 0
    assert "published" in wrong.stderr


def _bits(data: bytes) -> Collection[int]:
    every = range(8 * len(data))
    return every if LONG else random.Random(len(data)).sample(every, SAMPLE)


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _sealed(body: bytes) -> bytes:
    return body + f"end,{sha256(body).hexdigest()}\n".encode()


def _said(data: bytes, *heads: str) -> str:
    """What whoever runs the program reads; it ends with 1 unless that begins with "sound"."""
    try:
        return verify_ledger.verify(data, *heads)
    except (SystemExit, ValueError, IndexError, csv.Error) as end:
        return str(end)


def test_every_bit_that_is_changed_is_found(files: Any) -> None:
    """Also in the seal itself, and in its last end of line."""
    for data in files[:2]:
        assert verify_ledger.verify(data).startswith("sound")
        for bit in [*_bits(data), *range(8 * len(data) - 8, 8 * len(data))]:
            assert _said(_flipped(data, bit)) == "NOT SOUND: the file is not as it was exported", bit


def test_a_bit_that_is_changed_and_sealed_anew_is_found_by_the_chain_and_the_published_heads(files: Any) -> None:
    """In every line but the first: that says when it was written, and only the seal knows."""
    whole, mine, _journal, heads = files
    for data, published in ((whole, heads), (mine, [each for each in heads if "2026-11" in each])):
        body = data.rpartition(b"end,")[0]
        sound, first = verify_ledger.verify(_sealed(body), *published), body.index(b"\n")
        for bit in _bits(body):
            said = _said(_sealed(_flipped(body, bit)), *published)
            assert not said.startswith("sound") or (said == sound and bit < 8 * first), bit


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",300,award,", ",301,award,", "has other entries"),
        (",fen,", ",points,", "has other entries"),
        (",40,share,", ",40,award,", "has other entries"),
        ("balance,person-r-lin,points,0,45", "balance,person-r-lin,points,0,46", "balance of person-r-lin"),
    ],
)
def test_a_forger_who_seals_the_file_anew_is_found_by_the_chain(files: Any, before: str, after: str, said: str) -> None:
    body = files[0].decode().rpartition("end,")[0]
    assert before in body
    with pytest.raises(SystemExit, match=said):
        verify_ledger.verify(_sealed(body.replace(before, after).encode()))


def test_a_forger_who_drops_an_entry_or_a_link_is_found(files: Any) -> None:
    lines = files[0].split(b"\n")[:-2]
    for kind in (b",share,", b"link,"):
        gone = next(place for place, line in enumerate(lines) if kind in line)
        with pytest.raises(SystemExit, match=r"gap at link|without a link|other entries"):
            verify_ledger.verify(_sealed(b"\n".join(lines[:gone] + lines[gone + 1 :]) + b"\n"))


def test_a_residents_file_shows_nobody_elses_entries_and_is_sound(files: Any) -> None:
    _whole, mine, _journal, heads = files
    text = mine.decode()
    assert "r-wang" in text  # only as the other end of the own entry
    assert text.count("\nentry,") == 1
    assert text.count("\nhash,") == 5
    assert verify_ledger.verify(mine, next(head for head in heads if "2026-11" in head)).startswith("sound: 1 entries")


def test_bean_check_accepts_the_journal_and_refuses_a_changed_one(files: Any, tmp_path: Path) -> None:
    checker = Path(sys.executable).parent / "bean-check"
    for change, expected in (("", 0), (" 300 POINT", 1)):
        text = files[2].replace("  300 POINT", "  301 POINT") if change else files[2]
        (tmp_path / "ledger.beancount").write_text(text, encoding="utf-8")
        done = subprocess.run([str(checker), str(tmp_path / "ledger.beancount")], capture_output=True, check=False)
        assert (done.returncode != 0) == bool(expected), done.stdout + done.stderr
