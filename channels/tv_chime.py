"""Two struck notes before an emergency is read aloud: whoever has turned away turns round."""

from __future__ import annotations

import array
from math import exp, pi, sin

NOTES = ((880.0, 0.0), (659.3, 0.5))  # hertz, and when it is struck
CHIME_S = 1.8
LOUDEST = 0.5  # of all there is: as loud as the voice, and louder than the film before it
_RISES_S, _FALLS_S = 0.005, 0.35


def chime(rate: int) -> bytes:
    """16 bit, one voice."""
    shape = [_sounds(place / rate) for place in range(int(CHIME_S * rate))]
    scale = 32_767 * LOUDEST / max(map(abs, shape))
    return array.array("h", [int(each * scale) for each in shape]).tobytes()


def _sounds(at: float) -> float:
    return sum(
        sin(2 * pi * hertz * (at - struck)) * min(1.0, (at - struck) / _RISES_S) * exp(-(at - struck) / _FALLS_S)
        for hertz, struck in NOTES
        if at >= struck
    )
