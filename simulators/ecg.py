"""A strip of lead I as a hut's recorder would take it: five Gaussians a beat, breathing in the rhythm, a little noise.

Each wave is (where in the beat, how wide, how high in microvolt). Atrial fibrillation is what it is on paper: beats at
irregular distances and no P wave. A pure function of seed, person and time, as every value here.
"""

from __future__ import annotations

import math
import random

from devices.base import Strip

RATE_HZ = 250
SECONDS = 10
NV_PER_COUNT = 5_000  # 5 microvolt: a 12-bit converter over 20 mV
BREATHS_HZ = 0.25
WAVES = (  # P Q R S T, by share of the beat
    (-0.20, 0.025, 120.0),
    (-0.035, 0.010, -110.0),
    (0.0, 0.011, 1_050.0),
    (0.035, 0.010, -240.0),
    (0.28, 0.045, 280.0),
)
P_WAVE = 0
NOISE_UV = 8.0


def strip(key: str, rate: int, *, fibrillating: bool = False) -> Strip:
    """Ten seconds at this heart rate; `key` names the moment, so that the same one looks the same again."""
    rng = random.Random(key)
    beats = _beats(rng, rate, fibrillating)
    samples = []
    for place in range(RATE_HZ * SECONDS):
        moment = place / RATE_HZ
        microvolt = sum(_beat(moment - at, length, fibrillating) for at, length in beats if abs(moment - at) < 1.5)
        drift = 25 * math.sin(2 * math.pi * BREATHS_HZ * moment)
        samples.append(round((microvolt + drift + rng.gauss(0, NOISE_UV)) * 1_000 / NV_PER_COUNT))
    return Strip("I", RATE_HZ, NV_PER_COUNT, tuple(samples))


def _beats(rng: random.Random, rate: int, fibrillating: bool) -> list[tuple[float, float]]:
    """When each R peak comes, and how long its beat is."""
    beats, at = [], -rng.random() * 60 / rate
    while at < SECONDS + 1:
        length = 60 / rate
        if fibrillating:
            length *= min(max(rng.gauss(1, 0.25), 0.5), 1.7)
        else:
            length *= 1 + 0.04 * math.sin(2 * math.pi * BREATHS_HZ * at) + rng.gauss(0, 0.008)
        beats.append((at, length))
        at += length
    return beats


def _beat(off: float, length: float, fibrillating: bool) -> float:
    scale = math.sqrt(length)  # a fast heart's waves move together, less than the beats do
    return sum(
        high * math.exp(-(((off - place * scale) / width) ** 2) / 2)
        for number, (place, width, high) in enumerate(WAVES)
        if not (fibrillating and number == P_WAVE)
    )
