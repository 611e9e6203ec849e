"""A failing night made small: half the time while it still fails, then one kind of fault after the other left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.main.night.faults import Kind
from hub.main.night.night import Night, Played

SHORTEST_MINUTES = 0.5


def shrink(played: Played, play: Callable[[float, Sequence[Kind]], Played]) -> Played:
    """The smallest night found that still breaks a promise; `play` plays the same seed again."""
    best = played
    while best.minutes / 2 >= SHORTEST_MINUTES:
        shorter = play(best.minutes / 2, best.kinds)
        if not shorter.wrong:
            break
        best = shorter
    for kind in played.kinds:
        fewer = tuple(each for each in best.kinds if each is not kind)
        if fewer != best.kinds and (smaller := play(best.minutes, fewer)).wrong:
            best = smaller
    return best


def again(played: Played) -> str:
    """How to run it again by hand."""
    words = f"python -m tests.sim --seed {played.seed} --minutes {played.minutes:g}"
    return f"{words} --faults {','.join(played.kinds) or 'none'}"


def play(seed: str, minutes: float, kinds: Sequence[Kind] | None) -> Played:
    return Night(seed, minutes, kinds).play()
