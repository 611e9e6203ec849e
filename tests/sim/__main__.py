"""Nights of the hub on virtual time, as many as asked for; the first that breaks a promise is made small and shown.

python -m tests.sim --seed 7 --minutes 15 [--faults hub-crash,reorder] [--nights 20]
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial

from hub.main.night.faults import Kind
from hub.main.night.night import Played
from tests.sim.shrink import again, play, shrink


def _line(played: Played) -> str:
    told = {
        "seed": played.seed, "minutes": played.minutes, "trace": played.trace.hash, "broken": len(played.wrong),
        "x_life": round(played.speed), "cpu_s": round(played.cpu_s, 1), **played.counts, "faults": list(played.kinds),
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", default="1")
    words.add_argument("--minutes", type=float, default=15.0)
    words.add_argument("--faults", default="", help="kinds, by commas; none for a quiet night; empty: the seed draws")
    words.add_argument("--nights", type=int, default=1, help="how many seeds from this one on")
    given = words.parse_args()
    kinds = None if not given.faults else [Kind(each) for each in given.faults.split(",") if each != "none"]
    seeds = [str(int(given.seed) + number) for number in range(given.nights)] if given.nights > 1 else [given.seed]
    for seed in seeds:
        played = play(seed, given.minutes, kinds)
        print(_line(played), flush=True)
        if played.wrong:
            print("\n".join(played.wrong[:20]), flush=True)
            small = shrink(played, partial(play, seed))
            print(f"smallest night that still breaks it: {again(small)}\n" + "\n".join(small.wrong[:5]))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
