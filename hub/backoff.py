"""How long to wait before the next try: 5 s, 15 s, 45 s ... longer each time, a little apart from all others who wait.

Eight tries are about nine hours. A far end that says when it may be asked again is not asked before.
"""

from __future__ import annotations

from hub.rng import Rng

FIRST_S, FACTOR = 5.0, 3.0
JITTER = 0.25  # what failed together shall not come back together


def wait_s(tries: int, rng: Rng, after_s: float | None = None) -> float:
    """After so many tries that failed. `after_s` is the far end's own word."""
    return max(FIRST_S * FACTOR ** (tries - 1), after_s or 0.0) * (1 + rng.uniform(0.0, JITTER))
