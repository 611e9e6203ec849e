"""How fast readings are taken in, beside peers on the same machine in the same passes.

    linli bench ingest [--passes 5] [--seconds 3] [--only linli,limit] [--latency-rate 3000] [--soak 1000000] [--json]

Each contestant is programs of its own; one driver, also a program of its own, publishes one reading a message at QoS 1
from four gateways. A pass gives each contestant its turn; ratios are taken within a pass, and what is shown is the
median over passes. CPU time is that of all the contestant's programs, a broker included, the driver not.

Latency is from the driver's write to the PUBACK where that means "committed" (our own door), and to the row seen in the
store from outside elsewhere, looked at every millisecond; it is measured at a fixed rate, or at half of what a
contestant can where that is less.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.contestants import limit, linli, node_red, plain
from bench.contestants.base import Contestant, Count, LeftOut, Opened
from bench.rig import figures, machine, town
from bench.rig.driver import Order
from bench.rig.figures import Pass, Result
from bench.rig.peer import MosquittoMissing
from bench.rig.process import Program, python

CONTESTANTS: tuple[Contestant, ...] = (
    limit,
    linli.SEALED,
    linli.UNSEALED,
    linli.PACKS,
    linli.BEHIND,
    plain,
    node_red,
)
WARM_UP_MESSAGES = 400
TURN_MESSAGES_MAX = 120_000
SOAK_WAVE = 50_000
LOOK_S, FINE_LOOK_S = 0.004, 0.001
SETTLE_S = 300.0


class Bench:
    """The contestants that run here, and the driver."""

    def __init__(self, folder: Path, wanted: Sequence[Contestant]) -> None:
        self.folder, self.left_out = folder, dict[str, str]()
        self._stack = ExitStack()
        self.driver = Program(python("bench.rig.driver"), folder / "driver.log", speaks=True)
        self._stack.callback(self.driver.stop)
        self.opened: dict[str, Opened] = {}
        self.results: dict[str, Result] = {}
        self._next_second: dict[str, int] = {}
        self._waves = 0
        for contestant in wanted:
            try:
                opened = contestant.open(folder / contestant.name)
            except (LeftOut, MosquittoMissing) as why:
                self.left_out[contestant.name] = str(why)
                continue
            self._stack.callback(opened.close)
            self.opened[contestant.name] = opened
            self.results[contestant.name] = Result(contestant.name, contestant.what)

    def close(self) -> None:
        self._stack.close()

    def wave(self, name: str, messages: int, *, rate: float = 0.0, log: bool = False) -> tuple[Pass, list[float]]:
        """One turn: drive, and wait until all is committed. The second is how long each message took, if asked for."""
        opened, watch = self.opened[name], None
        connections = len(town.GATEWAYS) if opened.count is None or not rate else 1
        messages -= messages % connections
        order = self._order(opened, name, messages, rate, connections, log)
        before = sum(program.cpu_s() for program in opened.programs)
        if opened.count is not None:
            watch = Watch(opened.count, messages * opened.records, FINE_LOOK_S if log else LOOK_S)
        done = json.loads(self.driver.ask(json.dumps(asdict(order))))
        if done["lost"]:
            raise RuntimeError(f"{name}: {done['lost'][0]}")
        ended = done["ended"] if watch is None else watch.wait()
        cpu_s = sum(program.cpu_s() for program in opened.programs) - before
        wall_s = ended - done["began"]
        turn = Pass(messages * opened.records, wall_s, cpu_s, done["cpu_s"] / wall_s)
        if not log:
            return turn, []
        lines = json.loads(Path(order.log).read_text(encoding="utf-8"))
        if watch is not None:
            return turn, figures.waits_ms(lines[0]["sent"], watch.log)
        return turn, [wait for line in lines for wait in figures.waits_ms(line["sent"], line["acknowledged"])]

    def _order(self, opened: Opened, name: str, messages: int, rate: float, connections: int, log: bool) -> Order:
        """Device times lie just behind the clock, as true ones do, and never come twice."""
        needed = town.seconds_needed(messages * opened.records)
        first = max(int(time.time()) - needed, self._next_second.get(name, 0))
        self._next_second[name] = first + needed
        self._waves += 1
        return Order(
            host="127.0.0.1",
            port=opened.port,
            accounts=dict(opened.accounts),
            messages=messages,
            first_second=first,
            rate=rate,
            connections=connections,
            records=opened.records,
            boot=f"wave-{self._waves}",
            log=str(self.folder / "times.json") if log else "",
        )


class Watch:
    """Looks from outside how many are committed, from before the first message until all of them are."""

    def __init__(self, count: Count, awaited: int, look_s: float) -> None:
        self._count, self._awaited, self._look_s = count, awaited, look_s
        self._before = count.now()
        self.log: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        seen, deadline = 0, time.monotonic() + SETTLE_S
        while seen < self._awaited and time.monotonic() < deadline:
            time.sleep(self._look_s)
            done = self._count.now() - self._before
            if done > seen:
                seen = done
                self.log.append((time.monotonic(), done))

    def wait(self) -> float:
        """When the last one was committed."""
        self._thread.join()
        seen = self.log[-1][1] if self.log else 0
        if seen < self._awaited:
            raise RuntimeError(f"only {seen} of {self._awaited} were ever committed")
        return self.log[-1][0]


def run(bench: Bench, passes: int, seconds: float, latency_rate: float) -> None:
    turns = {}
    for name in bench.opened:
        bench.wave(name, WARM_UP_MESSAGES)
        speed, _ = bench.wave(name, WARM_UP_MESSAGES)
        share = bench.opened[name].records
        turns[name] = max(WARM_UP_MESSAGES, min(TURN_MESSAGES_MAX, int(speed.rate / share * seconds)))
        _tell(f"{name}: a turn is {turns[name] * share} readings")
    for number in range(1, passes + 1):
        taken = {}
        for name, messages in turns.items():
            taken[name], _ = bench.wave(name, messages)
            bench.results[name].passes.append(taken[name])
            _tell(f"pass {number} {name}: {taken[name].rate:,.0f}/s, {taken[name].cpu_us:.1f} us CPU a reading")
        for name, turn in taken.items():
            if limit.name in taken:
                bench.results[name].of_limit.append(turn.rate / taken[limit.name].rate)
    for name in bench.opened if latency_rate else ():
        records = bench.opened[name].records
        rate = min(latency_rate, max(each.rate for each in bench.results[name].passes) / 2) / records
        _, waits = bench.wave(name, max(20, int(rate * seconds)), rate=rate, log=True)
        bench.results[name].latency = figures.latency(waits, rate * records)
        _tell(f"latency {name}: {bench.results[name].latency}")


def soak(bench: Bench, readings: int) -> dict[str, Any]:
    """Memory over a long run of the first contestant: the hub's resident set after each wave."""
    name = linli.SEALED.name
    hub = bench.opened[name].programs[-1]
    rss = [round(hub.rss_mib(), 1)]
    for number in range(readings // SOAK_WAVE):
        turn, _ = bench.wave(name, SOAK_WAVE)
        rss.append(round(hub.rss_mib(), 1))
        _tell(f"soak {(number + 1) * SOAK_WAVE:,}: {turn.rate:,.0f}/s, {rss[-1]} MiB")
    return {"readings": readings // SOAK_WAVE * SOAK_WAVE, "rss_mib": rss}


def ratios(results: Mapping[str, Result]) -> dict[str, float]:
    """How many times as fast as each peer, by the medians of rates of the same passes."""
    ours = results.get(linli.SEALED.name)
    if ours is None or not ours.passes:
        return {}
    found = {}
    for name, result in results.items():
        pairs = sorted(mine.rate / other.rate for mine, other in zip(ours.passes, result.passes, strict=True))
        if result is not ours:
            found[name] = round(pairs[len(pairs) // 2], 3)
    return found


def report(bench: Bench, passes: int, soaked: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "bench": "ingest",
        "machine": machine.described(),
        "passes": passes,
        "contestants": {name: result.figures() for name, result in bench.results.items()},
        "linli_against": ratios(bench.results),
        "left_out": bench.left_out,
        **({"soak": dict(soaked)} if soaked else {}),
    }


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _table(found: Mapping[str, Any]) -> None:
    print(
        f"{'':16}{'readings/s':>12}{'us CPU':>9}{'of limit':>10}{'linli is':>10}{'p50 ms':>9}{'p99 ms':>9}{'at/s':>7}"
    )
    for name, row in found["contestants"].items():
        times = found["linli_against"].get(name)
        late = row["latency"]
        print(
            f"{name:16}{row['rate_per_s']:>12,}{row['cpu_us_per_reading']:>9}{row['of_limit'] or '':>10}"
            f"{f'{times} x' if times else '':>10}{late.get('p50_ms', ''):>9}{late.get('p99_ms', ''):>9}"
            f"{late.get('rate_per_s', ''):>7}"
        )
    for name, why in found["left_out"].items():
        print(f"{name:16}left out: {why}")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="linli bench ingest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long a turn takes")
    parser.add_argument("--only", default="", help="contestants by name, with commas between")
    parser.add_argument("--latency-rate", type=float, default=3000.0, help="readings a second; 0: no latency")
    parser.add_argument("--soak", type=int, default=0, metavar="READINGS", help="memory over so many readings")
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args(words)
    names = {contestant.name for contestant in CONTESTANTS}
    wanted = set(filter(None, said.only.split(","))) or names
    if wanted - names:
        parser.error(
            f"no contestant is named {', '.join(sorted(wanted - names))}; there are {', '.join(sorted(names))}"
        )
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        bench = Bench(Path(folder), [contestant for contestant in CONTESTANTS if contestant.name in wanted])
        try:
            run(bench, said.passes, said.seconds, said.latency_rate)
            soaked = soak(bench, said.soak) if said.soak and linli.SEALED.name in bench.opened else None
            found = report(bench, said.passes, soaked)
        finally:
            bench.close()
    print(json.dumps(found)) if said.json else _table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
