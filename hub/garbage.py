"""Python's garbage collector, out of the way of a start and of a flood.

Imports make half a million objects that live as long as the program. With the usual thresholds the collector looks for
rubbish among them some 350 times, 0.3 to 0.45 s of CPU time, and finds none.
"""

from __future__ import annotations

import gc

SELDOM = (
    50_000  # new objects between two looks: 12 looks a start; switched off altogether, a seed store being built grows
)
# At work: a batch of a thousand readings is some 20,000 objects that live for one commit and make no circle. With the
# usual 700 the collector walks through the queue dozens of times a second; a fifth of the CPU time of ingest.
WORKING = 20_000


def spare_start() -> None:
    gc.set_threshold(SELDOM)


def started() -> None:
    """What is there now stays: never look at it again, and only now and then at what comes."""
    gc.freeze()
    gc.set_threshold(WORKING)
