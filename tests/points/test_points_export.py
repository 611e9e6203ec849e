"""The exported ledger: one program of forty lines finds one changed bit; an accountant's program accepts the rest."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.points import budget, chain, export, holds, ledger, verify_ledger
from hub.civic.points.why import Why
from hub.clock import ManualClock
from hub.db import Tx
from tests.points.ledgers import a_store, account, issue
from tests.points.test_points_rewards import OTHERS
from tests.world import LIUHE, START

PROGRAM = Path(verify_ledger.__file__)
GIVEN = Why("award", item="C01", catalogue="jingmen-46@1", evidence="白纸,“黑字”\n第二行")


def _live(tx: Tx) -> None:
    """A month of every kind of entry, in two units."""
    wang, lin = account(tx, "person", "r-wang"), account(tx, "person", "r-lin")
    ledger.post(tx, issue(tx), wang, 300, "a", GIVEN)
    ledger.post(tx, wang, lin, 40, "b", Why("share"))
    holds.hold(tx, wang, 100, "c", Why("hold"), tx.now() + timedelta(days=7))
    holds.post(tx, "c", ledger.house_account(tx, "redeem", LIUHE, "Asia/Shanghai"), Why("redeem"))
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


@settings(max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), whole=st.booleans())
def test_one_flipped_bit_is_found(files: Any, where: float, bit: int, whole: bool) -> None:
    data = bytearray(files[0] if whole else files[1])
    assert verify_ledger.verify(bytes(data)).startswith("sound")
    data[int(where * len(data))] ^= 1 << bit
    with pytest.raises((SystemExit, ValueError)):
        verify_ledger.verify(bytes(data))


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
    forged = body.replace(before, after)
    data = f"{forged}end,{sha256(forged.encode()).hexdigest()}\n".encode()
    with pytest.raises(SystemExit, match=said):
        verify_ledger.verify(data)


def test_a_forger_who_drops_an_entry_or_a_link_is_found(files: Any) -> None:
    lines = files[0].decode().splitlines(keepends=True)[:-1]
    for kind in ("entry", "link"):
        gone = next(place for place, line in enumerate(lines) if line.startswith(kind))
        body = "".join(lines[:gone] + lines[gone + 1 :])
        with pytest.raises(SystemExit):
            verify_ledger.verify(f"{body}end,{sha256(body.encode()).hexdigest()}\n".encode())


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
