"""PostgreSQL itself killed by -9 while threads write: what was acknowledged stands, what was not may be tried again.

Only a cluster of our own dies (tests/postgres/cluster.py); a server that somebody lent us is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Semaphore

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.db import Store
from tests.points.ledgers import POSTGRES

OURS = "linli-pg-" in POSTGRES
BACK_S_MAX = 60.0


def written_until_it_died(store: Store, stories: Sequence[Sequence[Callable[[], object]]], acks: int) -> list[int]:
    """Each thread does its story in order while the server is killed; how many steps of each were acknowledged."""
    said = Semaphore(0)

    def tell(story: Sequence[Callable[[], object]]) -> int:
        for number, step in enumerate(story):
            try:
                step()
            except DBAPIError:
                return number  # the answer was lost, the deed perhaps not
            finally:
                said.release()
        return len(story)

    with ThreadPoolExecutor(len(stories)) as threads:
        told = [threads.submit(tell, story) for story in stories]
        for _ack in range(min(acks, len(stories))):
            said.acquire()
        _kill(store)
        done = [each.result() for each in told]
    _back(store)
    return done


def _kill(store: Store) -> None:
    """By the server's own hand, wherever it is: the shell's parent is one of its processes, and all end with that."""
    with suppress(DBAPIError), store.engine.connect() as connection:
        connection.execute(text("COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"))


def _back(store: Store) -> None:
    until = time.monotonic() + BACK_S_MAX
    while True:
        try:
            with store.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            return
        except DBAPIError:
            assert time.monotonic() < until, "the server did not come back"
            time.sleep(0.05)  # it answers at once that it is not ready
