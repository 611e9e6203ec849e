"""How long a frame of each wire format takes to be read, to be written and to be named, in CPU time.

    linli bench codecs [--passes 5] [--seconds 0.05] [--json]

The yardstick of the same pass is `json.loads` of a small blood pressure: on a busy machine microseconds vary twofold,
the ratio hardly. Frames are a codec's own examples, in turn; `judge` is quality.py over what was read. The best of the
passes counts: whatever makes a pass slower is not the codec's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle

from devices.base import Codec
from devices.codecs import all_codecs
from devices.profile import profile
from devices.quality import judge

YARDSTICK = b'{"sys":138,"dia":88,"pulse":72,"time":1773534605,"unit":"mmHg","device":"a4c138000001"}'
BP_GOAL_US = 25.0
CHUNK = 200  # calls between two looks at the clock


@dataclass(frozen=True)
class Row:
    codec: str
    frame_bytes: int
    decode_us: float
    encode_us: float
    judge_us: float
    fields_us: float
    ratio: float  # decode to the yardstick of the same passes


def measured_us(work: Callable[[], object], seconds: float) -> float:
    """CPU microseconds a call."""
    for _ in range(CHUNK):
        work()
    calls, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds:
        for _ in range(CHUNK):
            work()
        calls += CHUNK
    return took / calls * 1e6


def row(unit: Codec, passes: int, seconds: float) -> Row:
    own = profile(f"generic.{unit.ID}")
    frames = [example.payload for example in unit.EXAMPLES]
    said = [measurement for example in unit.EXAMPLES for measurement in example.measurements]
    payloads, made = cycle(frames), cycle(said)

    def best(work: Callable[[], object]) -> float:
        return min(measured_us(work, seconds) for _ in range(passes))

    decode = best(lambda: unit.decode(next(payloads), own))
    floor = best(lambda: json.loads(YARDSTICK))
    return Row(
        unit.ID,
        sum(map(len, frames)) // len(frames),
        decode,
        best(lambda: unit.encode(next(made), own)),
        best(lambda: judge(next(made), own)),
        best(lambda: unit.fields(next(payloads), own)),
        decode / floor,
    )


def rows(passes: int, seconds: float, only: Sequence[str] = ()) -> list[Row]:
    units = [unit for name, unit in sorted(all_codecs().items()) if not only or name in only]
    return [row(unit, passes, seconds) for unit in units]


def main() -> None:
    words = argparse.ArgumentParser(prog="linli bench codecs", description=__doc__.partition("\n")[0])
    words.add_argument("--passes", type=int, default=5)
    words.add_argument("--seconds", type=float, default=0.05, help="of CPU time for each figure and pass")
    words.add_argument("--only", default="", help="codec ids by commas")
    words.add_argument("--json", action="store_true")
    asked = words.parse_args()
    found = rows(asked.passes, asked.seconds, [name for name in asked.only.split(",") if name])
    if asked.json:
        print(json.dumps({"goal_bp_us": BP_GOAL_US, "codecs": [asdict(each) for each in found]}))
    else:
        print(f"{'codec':18} {'bytes':>6} {'decode':>8} {'encode':>8} {'judge':>8} {'fields':>8}  x json.loads")
        for each in found:
            print(
                f"{each.codec:18} {each.frame_bytes:6} {each.decode_us:8.1f} {each.encode_us:8.1f} "
                f"{each.judge_us:8.1f} {each.fields_us:8.1f}  {each.ratio:8.1f}"
            )
    slow = [each for each in found if each.codec == "sig.2a35" and each.decode_us > BP_GOAL_US]
    sys.exit(f"a blood pressure takes more than {BP_GOAL_US} us" if slow else 0)


if __name__ == "__main__":
    main()
