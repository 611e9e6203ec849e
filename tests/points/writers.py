"""Writers of the ledger in processes of their own, killed by -9 in the midst of what they write.

One process of each test run has the hub imported and nothing of a store open; each writer is a fork of it, so that a
kill costs the writer and not two seconds of imports.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from hub.civic.points import ledger
from hub.civic.points.why import Draft, Why
from hub.db import Store

ROOT = Path(__file__).resolve().parents[2]
AWARD, ON = Why("award", item="C01", catalogue="jingmen-46@1"), Why("transfer")
Ends = tuple[str, str, str]  # the source of awards, and two people


def pair(tag: str, n: int) -> tuple[str, str]:
    return f"{tag}:{n}:a", f"{tag}:{n}:b"


def drafts(ends: Ends, references: tuple[str, str]) -> list[Draft]:
    """Two in, one on: of a whole pair each of the two people has one."""
    source, one, two = ends
    return [Draft(source, one, 2, references[0], AWARD), Draft(one, two, 1, references[1], ON)]


class Writer:
    """It writes its pairs one by one and says so, and then waits to be killed."""

    def __init__(self, store: Store, tag: str, ends: Ends, pairs: int) -> None:
        place = Path(tempfile.mkdtemp(prefix="linli-writer-")) / "said"
        os.mkfifo(place)
        url = store.url.render_as_string(hide_password=False)
        order = _nest()
        order.write(json.dumps([str(place), url, tag, ends, pairs]) + "\n")
        order.flush()
        self._said = place.open(encoding="utf-8")  # opens when the writer has opened its end
        place.unlink()
        place.parent.rmdir()
        self._pid = int(self._said.readline())

    def says(self) -> int:
        """How many pairs stand by its word; waits for the next word."""
        return int(self._said.readline()) + 1

    def kill(self) -> int:
        """By -9. How many pairs it said to have posted, also while it was being killed."""
        os.kill(self._pid, signal.SIGKILL)
        with self._said:
            return max((int(each) + 1 for each in self._said), default=0)


def kill(writers: Sequence[Writer], acks: int) -> int:
    """When each has said so many: all of them. The most that any said."""
    said = [writer.says() for writer in writers for _ack in range(acks)]
    return max([*said, *(writer.kill() for writer in writers)])


@cache
def _nest() -> IO[str]:
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.points.writers"], cwd=ROOT, env=here, stdin=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    atexit.register(process.communicate)
    assert process.stdin is not None
    return process.stdin


def _write(place: str, url: str, tag: str, ends: Ends, pairs: int) -> None:
    """In the fork."""
    from tests.points.ledgers import reopened

    with Path(place).open("w", encoding="utf-8") as said, reopened(url) as store:
        print(os.getpid(), file=said, flush=True)
        for n in range(pairs):
            store.write_now(lambda tx, n=n: ledger.post_all(tx, drafts(ends, pair(tag, n))))  # type: ignore[misc]
            print(n, file=said, flush=True)
        signal.pause()


def brood(write: Callable[..., None]) -> None:
    """One line in, one fork; all forks end with the test run, also with one that was killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            try:
                write(*json.loads(line))
            finally:
                os._exit(1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    import tests.points.ledgers  # noqa: F401 - before the first fork

    brood(_write)
