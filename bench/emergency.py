"""How long an emergency takes from the releasing hand to the last of a thousand screens, and its end as well.

    linli bench emergency [--screens 1000] [--rounds 15] [--readings 2000] [--communities 4] [--json]

`linli serve` with all its parts is one program, a thousand WebSockets another, the driver of readings a third. Each
round releases an emergency for the whole district (two tokens, two signatures) and ends it; taken once with nothing
else going on, and once while readings flow through the hub's own door. `screen` is every screen of every round, `last`
the last screen of each. `answer` is the releaser's own wait. Screens that only poll (old set-top boxes) are bound by
how often they ask, so their share stands apart.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from bench.contestants.base import RowCount
from bench.rig import figures, machine, town
from bench.rig.driver import Order
from bench.rig.process import Program, python
from hub import directory, login
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings

CITY, DISTRICT = "420800000000", "420802000000"
RELEASE_MS_P99, CANCEL_MS = 250.0, 500.0
POLL_EVERY_S = 5.0  # what simulators/screen.py and live.js do where no socket opens
POLLS = 200
START_S, LOOK_S, LOST_S = 60.0, 0.02, 20.0
HOUSEHOLDS = 400  # in each community: what a release counts
TITLE = "燃气泄漏，请立即撤离"
TEXT = "3号楼地下室燃气泄漏。请不要开灯、不要打电话，从楼梯撤离到小区东门外广场，帮助身边的老人。\n消防已到场。"


@dataclass(frozen=True, slots=True)
class Desk:
    """Two people's tokens: one drafts and signs, the other releases and ends."""

    publisher: str
    director: str


@dataclass
class Rounds:
    """What was met in one state of the hub."""

    screen: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    missing: int = 0
    hub_cpu_s: float = 0.0
    screens_cpu_s: float = 0.0

    def figures(self) -> dict[str, Any]:
        return {
            "screen_ms": _spread(self.screen),
            "last_ms": _spread(self.last),
            "answer_ms": _spread(self.answer),
            "missing": self.missing,
            "hub_cpu_ms": round(self.hub_cpu_s / max(1, len(self.last)) * 1000, 1),
            "screens_cpu_ms": round(self.screens_cpu_s / max(1, len(self.last)) * 1000, 1),
        }


def _spread(waits_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(wait * 1000 for wait in waits_s)
    if not ordered:
        return {}
    spread = {"p50": figures.quantile(ordered, 0.5), "p99": figures.quantile(ordered, 0.99), "max": ordered[-1]}
    return {name: round(value, 1) for name, value in spread.items()}


class Bench:
    """The three programs, and the hands that release and end."""

    def __init__(self, folder: Path, screens: int, communities: int) -> None:
        self._stack = ExitStack()
        data = folder / "data"
        self.areas = [f"4208020020{number:02}" for number in range(1, communities + 1)]
        self.areas[0] = town.AREA
        self.accounts, self.desk = _found(data, self.areas)
        hub = python("hub", "serve", "--data", str(data), "--port", "0", "--mqtt-port", "0")
        self.hub = self._opened(Program(hub, folder / "hub.log"))
        said = _addresses(self.hub)
        self.host, self.port = said["web"]
        self.mqtt_port = said["mqtt"][1]
        self.driver = self._opened(Program(python("bench.rig.driver"), folder / "driver.log", speaks=True))
        self.wall = self._opened(Program(python("bench.rig.screens"), folder / "screens.log", speaks=True))
        self.stored = RowCount(data / "linli.db", "reading")
        self._stack.callback(self.stored.close)
        opened = self._told(do="open", host=self.host, port=self.port, groups=_groups(self.areas, screens))
        self.screens = int(opened["open"])

    def _opened(self, program: Program) -> Program:
        self._stack.callback(program.stop)
        return program

    def close(self) -> None:
        self._stack.close()

    def round(self, released: Rounds, ended: Rounds, number: int) -> None:
        notice = self._draft(number)
        marks = {"holds": notice}, {"holds": "-clear", "lacks": notice}
        self._timed(released, f"/notices/{notice}/release", {}, marks[0])
        self._timed(ended, f"/notices/{notice}/retract", {"reason": "The warning is lifted"}, marks[1])
        # The next round finds the screens as this one did.
        for each in self._ask("GET", "/notices?state=released", None)["items"]:
            self._ask("POST", f"/notices/{each['id']}/retract", {"reason": "The matter is settled"})

    def _timed(self, into: Rounds, path: str, body: Mapping[str, Any], marks: Mapping[str, str]) -> None:
        self._told(do="arm", **marks)
        cpu_s, began = self.hub.cpu_s(), time.monotonic()
        self._ask("POST", path, body)
        answered = time.monotonic()
        came = self._told(do="wait", seconds=LOST_S)
        into.hub_cpu_s += self.hub.cpu_s() - cpu_s
        into.screens_cpu_s += came["cpu_s"]
        into.missing += came["missing"]
        into.screen += [at - began for at in came["times"]]
        into.last += [max(came["times"]) - began] if came["times"] else []
        into.answer.append(answered - began)

    def _draft(self, number: int) -> str:
        body = {
            "kind": "general", "title": TITLE, "text": f"{TEXT}\n第{number}号。", "audience": {"areas": [DISTRICT]},
            "priority": "emergency", "title_en": "Gas leak, leave the building", "text_en": "Leave by the stairs.",
        }  # fmt: skip
        ident = str(self._ask("POST", "/notices", body)["id"])
        self._ask("POST", f"/notices/{ident}/approve", {}, by=self.desk.publisher)
        return ident

    def polls(self) -> list[float]:
        """How long an asking screen waits for its answer, one after another."""
        waits = []
        for _ in range(POLLS):
            began = time.monotonic()
            line = http.client.HTTPConnection(self.host, self.port, timeout=LOST_S)
            line.request("GET", f"/live/poll?surface=tv&t=notices.overlay:{self.areas[0]}")
            line.getresponse().read()
            line.close()
            waits.append(time.monotonic() - began)
        return waits

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, by: str = "") -> dict[str, Any]:
        line = http.client.HTTPConnection(self.host, self.port, timeout=LOST_S)
        token = by or (self.desk.publisher if path == "/notices" else self.desk.director)
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        line.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), head)
        answer = line.getresponse()
        said = answer.read().decode()
        line.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:300]}")
        found: dict[str, Any] = json.loads(said)
        return found

    def _told(self, **order: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.wall.ask(json.dumps(order)))
        return found


class Load:
    """Readings at a rate, from the moment of entry to its end."""

    def __init__(self, bench: Bench, rate: float, seconds: float) -> None:
        self._bench, self._rate = bench, rate
        messages = int(rate * seconds) // len(town.GATEWAYS) * len(town.GATEWAYS)
        first = int(time.time()) - town.seconds_needed(messages)
        self._order = Order("127.0.0.1", bench.mqtt_port, bench.accounts, messages, first, rate)
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._began = (0.0, 0)
        self.done: dict[str, Any] = {}

    def begin(self) -> None:
        """Returns when readings arrive."""
        before = self._bench.stored.now()
        self._thread.start()
        deadline = time.monotonic() + START_S
        while self._bench.stored.now() == before and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        self._began = (time.monotonic(), self._bench.stored.now())

    def carried(self) -> float:
        """Readings committed a second since the beginning."""
        began, before = self._began
        return (self._bench.stored.now() - before) / (time.monotonic() - began)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        self._thread.join()
        if self.done.get("lost"):
            raise RuntimeError(str(self.done["lost"][0]))

    def _drive(self) -> None:
        self.done = json.loads(self._bench.driver.ask(json.dumps(asdict(self._order))))


def run(bench: Bench, rounds: int, readings: float) -> dict[str, Any]:
    bench.round(Rounds(), Rounds(), 0)  # the first fills caches and prepares statements
    bare = Rounds(), Rounds()
    for number in range(1, rounds + 1):
        bench.round(*bare, number)
    found: dict[str, Any] = {"bare": {"release": bare[0].figures(), "cancel": bare[1].figures()}}
    polls = {"every_s": POLL_EVERY_S, "answer_ms": _spread(bench.polls())}
    if readings:
        a_round_s = max(0.5, (sum(bare[0].last) + sum(bare[1].last)) / rounds * 4 + 0.5)
        load, busy = Load(bench, readings, a_round_s * rounds + 2), (Rounds(), Rounds())
        load.begin()
        for number in range(rounds + 1, 2 * rounds + 1):
            if load.running:
                bench.round(*busy, number)
        carried = load.carried() if load.running else 0.0
        polls["answer_ms_loaded"] = _spread(bench.polls()) if load.running else {}
        load.end()
        found["loaded"] = {
            "readings_per_s": {"offered": readings, "committed": round(carried or load.done["acknowledged"])},
            "rounds": len(busy[0].last),
            "release": busy[0].figures(),
            "cancel": busy[1].figures(),
        }
    worst = max(found.get("loaded", found["bare"])["release"]["answer_ms"]["max"], 0.0)
    polls["bound_ms"] = round(POLL_EVERY_S * 1000 + worst, 1)
    return {**found, "polling": polls}


def report(bench: Bench, rounds: int, found: Mapping[str, Any]) -> dict[str, Any]:
    state = found.get("loaded", found["bare"])
    kept = {
        "release_p99": state["release"]["screen_ms"]["p99"] <= RELEASE_MS_P99,
        "cancel_max": state["cancel"]["screen_ms"]["max"] <= CANCEL_MS,
        "none_missing": not state["release"]["missing"] + state["cancel"]["missing"],
    }
    return {
        "bench": "emergency",
        "machine": machine.described(),
        "screens": bench.screens,
        "communities": len(bench.areas),
        "rounds": rounds,
        **found,
        "goals": {"release_ms_p99": RELEASE_MS_P99, "cancel_ms": CANCEL_MS, "kept": kept},
    }


def _found(data: Path, areas: Sequence[str]) -> tuple[dict[str, str], Desk]:
    """A store with a district, its people and huts; the gateways' accounts and two tokens."""

    def work(tx: Tx) -> tuple[dict[str, str], Desk]:
        directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
        directory.found_area(tx, DISTRICT, "district", "东宝区", "Dongbao", CITY)
        for number, area in enumerate(areas):
            directory.found_area(tx, area, "community", f"社区{number}", f"Community {number}", DISTRICT)
            directory.found_building(tx, f"b-{number}", area, "1栋", "1")
            directory.register_households(tx, area, _households(number))
        accounts = {account.user: account.password for account in town.huts(tx)}
        return accounts, Desk(
            *(login.create_token(tx, role, DISTRICT, emergencies=True) for role in ("publisher", "director"))
        )

    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        return store.write_now(work)
    finally:
        store.close()


def _households(number: int) -> list[directory.NewHousehold]:
    made = []
    for flat in range(HOUSEHOLDS):
        people = tuple(
            directory.NewResident(
                f"r-{number}-{flat}-{each}", f"h-{number}-{flat}", "居民", "f", date(1950 + flat % 50, 1, 1)
            )
            for each in range(2)
        )
        made.append(directory.NewHousehold(f"h-{number}-{flat}", f"b-{number}", str(flat), (), people))
    return made


def _groups(areas: Sequence[str], screens: int) -> list[dict[str, Any]]:
    """Six in ten are televisions, three phones, one a hut's kiosk; one in ten reads English."""
    kinds = (("notices.tv", "notices.overlay", 0.6), ("notices.home", "notices.cover", 0.3))
    made = []
    for place, area in enumerate(areas):
        here = screens // len(areas) + (place < screens % len(areas))
        left = here
        for topic, over, share in (*kinds, ("notices.kiosk", "notices.cover", 1.0)):
            count = min(left, round(here * share)) if share < 1 else left
            left -= count
            english = count // 10
            topics = [f"{topic}:{area}", f"{over}:{area}"]
            made.append({"count": count - english, "topics": topics, "lang": "zh"})
            made.append({"count": english, "topics": topics, "lang": "en"})
    return [each for each in made if each["count"]]


def _addresses(hub: Program) -> dict[str, tuple[str, int]]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and hub.running:
        lines = hub.said.splitlines()
        if any(line.startswith("ready") for line in lines):
            said = dict(line.split(maxsplit=1) for line in lines if line.startswith(("web ", "mqtt ")))
            found = {name: value.removeprefix("http://").rsplit(":", 1) for name, value in said.items()}
            return {name: (host, int(port)) for name, (host, port) in found.items()}
        time.sleep(LOOK_S)
    raise RuntimeError(f"the hub did not start: {hub.said[-2000:]}")


def _table(found: Mapping[str, Any]) -> None:
    print(f"{'':18}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'last p50':>10}{'answer p50':>12}{'hub CPU ms':>12}")
    for state in ("bare", "loaded"):
        for what in ("release", "cancel"):
            row = found.get(state, {}).get(what)
            if row and row["screen_ms"]:
                every, last, answer = row["screen_ms"], row["last_ms"], row["answer_ms"]
                print(
                    f"{state + ' ' + what:18}{every['p50']:>9}{every['p99']:>9}{every['max']:>9}"
                    f"{last['p50']:>10}{answer['p50']:>12}{row['hub_cpu_ms']:>12}"
                )
    if "loaded" in found:
        print(f"readings committed a second meanwhile: {found['loaded']['readings_per_s']['committed']}")
    print(f"screens that poll: {found['polling']['bound_ms']} ms at most, asking every {POLL_EVERY_S:.0f} s")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="linli bench emergency", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--communities", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--readings", type=float, default=2000.0, help="a second, meanwhile; 0: only bare")
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        bench = Bench(Path(folder), said.screens, said.communities)
        try:
            found = report(bench, said.rounds, run(bench, said.rounds, said.readings))
        finally:
            bench.close()
    print(json.dumps(found)) if said.json else _table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
