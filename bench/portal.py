"""Ten thousand set-top boxes that ask and five thousand that listen: `linli bench portal`, beside Node's `ws`.

    linli bench portal [--sockets 5000] [--polls 10000] [--rounds 5] [--communities 4] [--json]

`linli serve --role web` and a server of `ws` stand at the same time and take turns; the boxes are one program each
(`rig/crowd.py`). A round releases an emergency for the whole district (two signatures, stored durably) and ends it;
after each, node is handed the very frames a box got from the hub, keeps them in a file and passes them on, with no
store and no drawing. `whole` is from the first byte of the releasing request to the last box, `fan` from the first box
to the last: passing on alone. The boxes read while the server writes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.rig import machine
from bench.rig.process import ROOT, Program, python
from hub import directory, login
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings

CITY, DISTRICT, STREET = "420800000000", "420802000000", "420802001000"
SHARED = (
    "notices.tv", "activities.told", "guides.tv", "points.tv", "activities.tv", "guides.contacts_tv", "notices.overlay",
)  # fmt: skip
POLL_EVERY_S = 5.0  # web/static/live.js
REST_S = 0.5  # what else a change brings, behind what covers a screen
STAND_S, START_S, LOST_S = 10.0, 60.0, 30.0
TITLE = "燃气泄漏，请立即撤离"
TEXT = "3号楼地下室燃气泄漏。请不要开灯、不要打电话，从楼梯撤离到小区东门外广场，帮助身边的老人。"
WS = ROOT / "tests" / "interop" / "node_modules" / "ws"
GOAL_TIME, GOAL_KB = 0.8, 20.0


@dataclass
class Told:
    """What one of the two took."""

    whole_ms: list[float] = field(default_factory=list)
    fan_ms: list[float] = field(default_factory=list)
    poll_last_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    crowd_cpu_ms: list[float] = field(default_factory=list)
    missing: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        middle = {
            name: round(statistics.median(values), 1)
            for name in ("whole_ms", "fan_ms", "poll_last_s", "cpu_ms", "crowd_cpu_ms")
            if (values := getattr(self, name))
        }
        return {**middle, "missing": self.missing, **self.more}


class Side:
    """A server, and the crowd before it."""

    def __init__(self, server: Program, crowd: Program, where: str) -> None:
        self.server, self._crowd = server, crowd
        parts = urlsplit(where)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.told = Told()

    def ask(self, **order: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._crowd.ask(json.dumps(order)))
        return found

    def come(self, listens: bool, tokens: Sequence[str], topics: Sequence[Sequence[str]]) -> None:
        """They come, after a few of them have had everything loaded that is loaded once."""
        if not tokens:
            return
        way = "live" if listens else "live/poll"
        order = {"do": "open", "host": self.host, "port": self.port, "listens": listens,
                 "path": f"/{way}?surface=tv&lang=zh", "sub": topics}  # fmt: skip
        few = min(100, len(tokens) // 2)
        self.ask(**order, tokens=tokens[:few])
        before, cpu = self.server.rss_mib(), self.server.cpu_s()
        self.ask(**order, tokens=tokens[few:])
        what = "socket" if listens else "poll"
        count = len(tokens) - few
        self.told.more[f"{what}_rss_kb_each"] = round((self.server.rss_mib() - before) * 1024 / count, 1)
        self.told.more[f"{what}_opening_cpu_ms_each"] = round((self.server.cpu_s() - cpu) * 1000 / count, 3)

    def stand(self, what: str, seconds: float) -> dict[str, Any]:
        before = self.server.cpu_s()
        said = self.ask(do="stand", seconds=seconds)
        self.told.more[f"{what}_percent_of_core"] = round((self.server.cpu_s() - before) / seconds * 100, 2)
        return said

    def timed(self, mark: str, push: Any) -> list[str]:
        """Push, and see when the last box has it; gives the frames that one box got."""
        self.ask(do="arm", holds=mark)
        self._crowd.tell(json.dumps({"do": "wait", "seconds": LOST_S}))  # they read while the server writes
        server, began = self.server.cpu_s(), time.monotonic()
        push()
        came: dict[str, Any] = json.loads(self._crowd.hear())
        came |= {"frames": self.ask(do="stand", seconds=REST_S)["frames"]}
        self.told.cpu_ms.append((self.server.cpu_s() - server) * 1000)
        self.told.crowd_cpu_ms.append(came["cpu_s"] * 1000)
        self.told.missing += came["missing"]
        if came["sockets"]:
            self.told.whole_ms.append((max(came["sockets"]) - began) * 1000)
            self.told.fan_ms.append((max(came["sockets"]) - min(came["sockets"])) * 1000)
        if came["polls"]:
            self.told.poll_last_s.append(max(came["polls"]) - began)
        frames: list[str] = came["frames"]
        return frames


class Desk:
    """Two people's tokens: one drafts and signs, the other releases and ends."""

    def __init__(self, side: Side, publisher: str, director: str) -> None:
        self._side, self._publisher, self._director = side, publisher, director

    def draft(self, number: int) -> str:
        body = {
            "kind": "general", "title": TITLE, "text": f"{TEXT}\n第{number}号。", "audience": {"areas": [DISTRICT]},
            "priority": "emergency", "title_en": "Gas leak, leave the building", "text_en": "Leave by the stairs.",
        }  # fmt: skip
        ident = str(self._ask("/notices", body, self._publisher)["id"])
        self._ask(f"/notices/{ident}/approve", {}, self._publisher)
        return ident

    def release(self, ident: str) -> None:
        self._ask(f"/notices/{ident}/release", {}, self._director)

    def end(self, ident: str) -> None:
        self._ask(f"/notices/{ident}/retract", {"reason": "The warning is lifted"}, self._director)

    def _ask(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return post(self._side, f"/api/v1{path}", body, head)


def post(side: Side, path: str, body: dict[str, Any], head: dict[str, str] | None = None) -> dict[str, Any]:
    line = http.client.HTTPConnection(side.host, side.port, timeout=LOST_S)
    line.request("POST", path, json.dumps(body), head or {"Content-Type": "application/json"})
    answer = line.getresponse()
    said = answer.read().decode()
    line.close()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {said[:300]}")
    found: dict[str, Any] = json.loads(said)
    return found


def furnish(data: Path, areas: Sequence[str], boxes: int) -> tuple[list[str], str, str]:
    """Communities, the boxes' own sessions, and the tokens of the two who release."""

    def work(tx: Tx) -> tuple[list[str], str, str]:
        directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
        directory.found_area(tx, DISTRICT, "district", "东宝区", "Dongbao", CITY)
        directory.found_area(tx, STREET, "street", "泉口街道", "Quankou", DISTRICT)
        for number, area in enumerate(areas):
            directory.found_area(tx, area, "community", f"社区{number}", f"Community {number}", STREET)
        tokens = [
            login.open_session(tx, "tv", "tv", f"tv-{number}", area=areas[number % len(areas)])
            for number in range(boxes)
        ]
        two = [login.create_token(tx, role, DISTRICT, emergencies=True) for role in ("publisher", "director")]
        return tokens, two[0], two[1]

    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        return store.write_now(work)
    finally:
        store.close()


def _where(program: Program) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and program.running:
        lines = program.said.splitlines()
        if any(line.startswith("ready") for line in lines) or (lines and "127.0.0.1" in lines[-1]):
            return next(line.split(maxsplit=1)[1] for line in lines if line.startswith("web "))
        time.sleep(0.05)
    sys.exit(f"it did not start: {program.said[-2000:]}")


@dataclass(frozen=True)
class Round:
    """A contestant, and how it is made to push something to all: a release and its end in turns."""

    side: Side
    push: Callable[[int], None]


def _alone(sides: Sequence[Round], rounds: int) -> None:
    """Rounds with the listening boxes alone, turn about; first once for what is loaded once."""
    for each in sides:
        each.push(0)
        each.push(0)
        each.side.told = Told(more=each.side.told.more)
        each.side.stand("standing", STAND_S)
    for number in range(2 * rounds):
        for each in sides:
            each.push(number)


def _with_polls(each: Round, askers: Sequence[str], topics: list[list[str]]) -> None:
    """What both kinds cost while nothing happens, and rounds with all."""
    side = each.side
    side.come(False, askers, topics)
    alone, side.told = side.told, Told(more=side.told.more)
    side.ask(do="every", seconds=POLL_EVERY_S)
    before = side.ask(do="stand", seconds=POLL_EVERY_S)["answers"]
    said = side.stand("asking", STAND_S)
    asked = {code: count - before.get(code, 0) for code, count in said["answers"].items()}
    waits, count = said["waits_ms"], max(1, sum(asked.values()))
    side.told.more |= {
        "polls_per_s": round(count / STAND_S), "polls_304": asked.get("304", 0),
        "poll_wait_ms": {"p50": waits[len(waits) // 2], "max": waits[-1]} if waits else {},
        "poll_cpu_us": round(side.told.more["asking_percent_of_core"] * STAND_S * 1e4 / count, 1),
        "crowd_percent_of_core": round(said["cpu_s"] / STAND_S * 100),
    }  # fmt: skip
    for number in range(4):
        each.push(number)
    side.ask(do="every", seconds=0.0)
    alone.more |= {"with_polls_" + name: value for name, value in side.told.figures().items() if name in
                   ("whole_ms", "fan_ms", "poll_last_s", "cpu_ms", "missing")}  # fmt: skip
    side.told = alone


def run(sockets: int, polls: int, rounds: int, communities: int) -> dict[str, Any]:
    areas = [f"4208020010{number:02}" for number in range(1, communities + 1)]
    topics = [[f"{name}:{area}" for name in SHARED] for area in areas]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linli-bench-portal-")))
        tokens, publisher, director = furnish(folder / "data", areas, sockets + polls)

        def opened(words: Sequence[str], name: str, *, speaks: bool = False) -> Program:
            program = Program(words, folder / f"{name}.log", speaks=speaks)
            stack.callback(program.stop)
            return program

        told: dict[str, Any] = {"machine": machine.described(), "sockets": sockets, "polls": polls}
        hub = opened(python("hub", "serve", "--role", "web", "--data", str(folder / "data"), "--port", "0"), "hub")
        ours = Side(hub, opened(python("bench.rig.crowd"), "crowd-hub", speaks=True), _where(hub))
        ours.come(True, tokens[:sockets], topics)
        desk, drafts, frames = Desk(ours, publisher, director), list[str](), list[list[str]]()

        def release(number: int) -> None:
            if drafts:
                ident = drafts.pop()
                frames.append(ours.timed("-clear", lambda: desk.end(ident)))
                return
            ident = desk.draft(number)
            frames.append(ours.timed(ident, lambda: desk.release(ident)))
            drafts.append(ident)

        sides = {"linli": Round(ours, release)}
        if shutil.which("node") is not None and WS.is_dir():
            words = ["node", str(ROOT / "bench" / "contestants" / "node_ws.cjs"), str(WS), str(folder / "kept")]
            node = opened(words, "node")
            theirs = Side(node, opened(python("bench.rig.crowd"), "crowd-node", speaks=True), _where(node))
            post(theirs, "/push", {"frames": [json.dumps({"t": topic, "html": ""}) for topic in topics[0]]})
            theirs.come(True, tokens[:sockets], topics)
            turn = iter(range(1 << 30))

            def again(_number: int) -> None:
                mark = f"push-{next(turn)}-"
                theirs.timed(mark, lambda: post(theirs, "/push", {"frames": _marked(frames[-1], mark)}))

            sides["node"] = Round(theirs, again)
        _alone(list(sides.values()), rounds)
        for each in sides.values():
            if polls:
                _with_polls(each, tokens[sockets:], topics)
            each.side.ask(do="close")  # nobody reads for it any more, and a hub lets go of those who are silent
        told |= {name: each.side.told.figures() for name, each in sides.items()}
        if len(sides) == 1:
            told["node"] = "not here: apt install nodejs npm, then npm ci in tests/interop"
            return told
        told["ratio"] = _ratios(ours.told, theirs.told) | {
            name: round(told["linli"][name] / max(told["node"][name], 0.01), 2)
            for name in ("socket_rss_kb_each", "poll_rss_kb_each", "poll_cpu_us", "with_polls_whole_ms",
                         "with_polls_fan_ms")
            if name in told["linli"] and name in told["node"]
        }  # fmt: skip
    return told


def _ratios(ours: Told, theirs: Told) -> dict[str, float]:
    """Of each push and the one of the same bytes right behind it; the median of them."""
    return {
        name: round(statistics.median(one / max(other, 0.01) for one, other in pairs), 2)
        for name in ("whole_ms", "fan_ms", "cpu_ms")
        if (pairs := list(zip(getattr(ours, name), getattr(theirs, name), strict=True)))
    }


def _marked(frames: Sequence[str], mark: str) -> list[str]:
    """The same bytes but for a mark that tells this push from the one before."""
    found = [json.loads(frame) for frame in frames]
    return [json.dumps({**frame, "html": frame["html"][: -len(mark)] + mark}, ensure_ascii=False) for frame in found]


def main(said: Sequence[str] | None = None) -> None:
    words = argparse.ArgumentParser(prog="linli bench portal", description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--sockets", type=int, default=5_000)
    words.add_argument("--polls", type=int, default=10_000)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--communities", type=int, default=4)
    words.add_argument("--json", action="store_true")
    given = words.parse_args(said)
    _room(given.sockets + given.polls)
    told = run(given.sockets, given.polls, given.rounds, given.communities)
    if given.json:
        print(json.dumps(told, ensure_ascii=False))
        return
    for name, value in told.items():
        if not isinstance(value, dict):
            print(f"{name:28} {value}")
            continue
        print(name)
        for each, figure in value.items():
            print(f"  {each:26} {figure}")


def _room(boxes: int) -> None:
    """As many open lines as boxes, for this program and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = boxes + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} open files are needed and {hard} allowed: ulimit -n {needed}")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


if __name__ == "__main__":
    main()
