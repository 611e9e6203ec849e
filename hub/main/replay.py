"""`linli replay SEED`: one simulated night on virtual time with the shipped code, as a story a person can read.

The same seed tells the same story, to the last byte on the wire: the hash at its end says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hub.main.night.night import Night, Played
from hub.main.night.town import START


def run(seed: str, minutes: float, *, as_json: bool, say: Callable[[str], None], tell: Callable[[str], None]) -> bool:
    """Play, print, and say whether every promise held. `say` is for the result, `tell` for words beside it."""
    tell(f"a night of {minutes:g} minutes from seed {seed}; the clock is virtual")
    played = Night(seed, minutes).play()
    if as_json:
        say(json.dumps(as_dict(played), ensure_ascii=False))
    else:
        for line in played.trace.lines:
            say(line.text(START))
        for sentence in played.wrong:
            say(f"BROKEN  {sentence}")
        say(summary(played))
    return not played.wrong


def summary(played: Played) -> str:
    done = ", ".join(f"{count} {what}" for what, count in played.counts.items())
    verdict = "every promise held" if not played.wrong else f"{len(played.wrong)} promises broken"
    faults = ", ".join(played.kinds) or "none"
    return (
        f"{verdict}; faults: {faults}\n{done}\n"
        f"{played.virtual_s:.0f} s of the night in {played.cpu_s:.1f} s of processor time: {played.speed:.0f} x life\n"
        f"trace {played.trace.hash}"
    )


def as_dict(played: Played) -> dict[str, Any]:
    return {
        "seed": played.seed,
        "minutes": played.minutes,
        "trace": played.trace.hash,
        "broken": list(played.wrong),
        "faults": [
            {"kind": spell.kind, "target": spell.target, "begin_s": spell.begin_s, "end_s": spell.end_s}
            for spell in played.spells
        ],
        "counts": played.counts,
        "virtual_s": round(played.virtual_s, 3),
        "cpu_s": round(played.cpu_s, 3),
        "lines": [
            {"at_s": line.at_s, "who": line.who, "what": line.what, "cause": line.cause} for line in played.trace.lines
        ],
    }
