"""A city's television on one core: `linli bench tv`.

One hub with 1,557 communities, and viewers that fetch as players do. Cost is CPU time of the hub alone; the wall
clock of a shared machine says little. Beside it, in the same passes and by the same viewer, nginx serves the very bytes
as files: what a web server costs that has nothing to think about. Each figure is printed as soon as it is known. The
boxes with a page of ours are `--boxes` here, and a bench of their own: `linli bench portal`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import portal
from bench.rig import machine
from bench.rig.process import ROOT, Program
from hub import directory
from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices import desk
from hub.civic.notices.wording import Words
from hub.db import Store, Tx
from hub.main import wiring
from hub.settings import load as load_settings

SEGMENT_S = 1.92
CITY, DISTRICT, STREET = "420800000000", "420802000000", "420802001000"
CITY_NOTICES = 6
OWN_NOTICE_EACH = 10  # every tenth community has one of its own
IDLE_S = 8.0
TOLD_EACH = 200  # channels
LINES = 4
HOT = 64  # segments fetched over and over for the comparison
ANSWER_BYTES_MAX = 1 << 26  # the guide of a city
START_S = 60.0


@dataclass
class Line:
    """One viewer's connection, kept open; counts what came."""

    host: str
    port: int
    fetched: int = 0
    bytes: int = 0
    _socket: socket.socket | None = None
    _room: bytearray = field(default_factory=lambda: bytearray(ANSWER_BYTES_MAX))

    def get(self, path: str) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        view, got, whole = memoryview(self._room), 0, -1
        while whole < 0 or got < whole:
            count = self._socket.recv_into(view[got:])
            if not count:
                raise ConnectionError(f"{path}: the line was cut")
            got += count
            if whole < 0 and (end := self._room.find(b"\r\n\r\n", 0, got)) >= 0:
                head = bytes(self._room[:end]).lower()
                if b" 200 " not in head[:16]:
                    raise ConnectionError(f"{path}: {head[:40]!r}")
                at = head.index(b"content-length:") + 15
                body = end + 4
                whole = body + int(head[at:].split(b"\r\n", 1)[0])
        self.fetched += 1
        self.bytes += whole - body
        return bytes(self._room[body:whole])

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def furnish(store: Store, communities: int) -> list[str]:
    codes = [f"{420802100000 + number:012}" for number in range(1, communities + 1)]

    def city(tx: Tx) -> None:
        directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
        directory.found_area(tx, DISTRICT, "district", "东宝区", "Dongbao", CITY)
        directory.found_area(tx, STREET, "street", "泉口街道", "Quankou", DISTRICT)
        for number, code in enumerate(codes, start=1):
            directory.found_area(tx, code, "community", f"第{number}社区", f"Community {number}", STREET)
        directory.hire(tx, "b-one", "何雾", "p-one", [("publisher", CITY), ("staff", CITY)])

    store.write_now(city)
    by = store.read_now(
        lambda read: Subject(id="b-one", kind="staff", grants=directory.grants(read, "b-one"), proved_at=read.now())
    ).with_permissions(wiring.Permissions(each.permissions or {} for each in wiring.modules_for(demo=False)))

    def notices(tx: Tx, areas: tuple[str, ...], number: int) -> None:
        words = Words(
            kind="water", title=f"第{number}号停水通知", text="因管道检修，明天8:00至12:00停水，请提前储水。" * 3,
            audience=Audience(areas),
        )  # fmt: skip
        desk.release(tx, by, desk.draft(tx, by, words).id)

    for number in range(CITY_NOTICES):
        store.write_now(lambda tx, number=number: notices(tx, (CITY,), number))  # type: ignore[misc]
    for number, code in enumerate(codes[::OWN_NOTICE_EACH]):
        store.write_now(lambda tx, number=number, code=code: notices(tx, (code,), 100 + number))  # type: ignore[misc]
    return codes


def _started(program: Program, what: str) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        for line in program.said.splitlines():
            if line.startswith(what):
                return line
        if not program.running:
            break
        time.sleep(0.1)
    sys.exit(f"it did not start: {program.said[-2000:]}")


class Viewers:
    """A few lines that share all channels: while the store is asked for one the hub can answer for another."""

    def __init__(self, host: str, port: int) -> None:
        self._lines = [Line(host, port) for _line in range(LINES)]
        self._threads = ThreadPoolExecutor(LINES)

    def look_at(self, areas: Sequence[str]) -> None:
        list(self._threads.map(look_at, self._lines, (areas[place::LINES] for place in range(LINES))))

    def close(self) -> None:
        self._threads.shutdown()
        for line in self._lines:
            line.close()


def look_at(line: Line, areas: Sequence[str]) -> list[str]:
    """What each channel's viewer does every 1.92 s: the list, and the segment that is new."""
    found = []
    for area in areas:
        listed = line.get(f"/tv/{area}/live.m3u8").decode()
        path = f"/tv/{area}/{listed.rstrip().rpartition(chr(10))[2]}"
        line.get(path)
        found.append(path)
    return found


def opened(hub: Program, viewers: Viewers, areas: Sequence[str]) -> dict[str, Any]:
    """The first viewer of every channel: its name is drawn, its notices are read, its segments put together."""
    before, began = hub.cpu_s(), time.monotonic()
    for number in range(0, len(areas), TOLD_EACH):
        viewers.look_at(areas[number : number + TOLD_EACH])
        _say(f"{min(number + TOLD_EACH, len(areas))} channels opened after {time.monotonic() - began:.0f} s")
    cpu = hub.cpu_s() - before
    return {
        "opening_cpu_s": round(cpu, 1), "opening_wall_s": round(time.monotonic() - began, 1),
        "opening_cpu_ms_each": round(cpu / len(areas) * 1_000, 1),
    }  # fmt: skip


def watched(hub: Program, viewers: Viewers, areas: Sequence[str], seconds: float) -> dict[str, Any]:
    """Each channel watched by one viewer, who looks every 1.92 s. It should last for more than a minute: once in one
    the clock changes and the store is asked what is on. A look that came too late is left out as a player leaves it
    out, so on a machine that is too slow fewer are kept and each costs more: both are told."""
    costs, cpu, began = [], hub.cpu_s(), time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        before = hub.cpu_s()
        viewers.look_at(areas)
        costs.append((hub.cpu_s() - before) / len(areas))
        turn = int((time.monotonic() - began) / SEGMENT_S) + 1
        _say(f"watched for {now:.0f} of {seconds:.0f} s, {len(costs)} looks at each channel")
        time.sleep(max(0.0, turn * SEGMENT_S - (time.monotonic() - began)))
    took = time.monotonic() - began
    share = (hub.cpu_s() - cpu) / took
    return {
        "watched_percent_of_core_each": round(share / len(areas) * 100, 4), "watched_cores_all": round(share, 3),
        "looks_kept": round(len(costs) * SEGMENT_S / took, 2),
        "cpu_ms_per_look": round(statistics.fmean(costs) * 1_000, 3),
        "cpu_ms_per_look_median": round(statistics.median(costs) * 1_000, 3),
    }  # fmt: skip


def beside_nginx(
    hub: Program, line: Line, areas: Sequence[str], folder: Path, passes: int, count: int
) -> dict[str, Any]:
    """The same segments from us and from files, turn about."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        return {"nginx": "not installed: apt install nginx-light"}
    paths = look_at(line, areas[:HOT])
    root = folder / "files"
    for path in paths:
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(line.get(path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, root=root, port=port), encoding="utf-8")
    server = Program([program, "-e", str(folder / "nginx.err"), "-c", str(folder / "nginx.conf")], folder / "nginx.log")
    other = Line("127.0.0.1", port)
    try:
        _reachable(port)
        costs: dict[str, list[float]] = {"linli": [], "nginx": []}
        rates: dict[str, list[float]] = {"linli": [], "nginx": []}
        for _pass in range(passes):
            paths = paths if _fresh(line, paths[0]) else look_at(line, areas[:HOT])
            for name, asked, by, these in (("nginx", server, other, None), ("linli", hub, line, paths)):
                listed = these or [f"/{file.relative_to(root)}" for file in sorted(root.rglob("*.ts"))]
                before, began = asked.cpu_s(), time.monotonic()
                for number in range(count):
                    by.get(listed[number % len(listed)])
                costs[name].append((asked.cpu_s() - before) / count)
                rates[name].append(count / (time.monotonic() - began))
    finally:
        other.close()
        server.stop()
    cheap = sum(costs["nginx"]) / max(sum(costs["linli"]), 1e-9)  # the kernel counts CPU in hundredths of a second
    quick = [ours / theirs for theirs, ours in zip(rates["nginx"], rates["linli"], strict=True)]
    return {
        "segment_bytes": round(other.bytes / max(1, other.fetched)),
        **{f"{name}_cpu_us_per_segment": round(statistics.fmean(costs[name]) * 1e6, 1) for name in costs},
        **{f"{name}_segments_per_s_one_viewer": round(statistics.median(rates[name])) for name in rates},
        "linli_segments_per_s_of_a_core": round(1 / max(statistics.fmean(costs["linli"]), 1e-9)),
        "ratio_by_cpu": round(cheap, 2), "ratio_by_rate": round(statistics.median(quick), 2),
    }  # fmt: skip


_NGINX = """daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {{ video/mp2t ts; }}
server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""


def _reachable(port: int) -> None:
    for _try in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx does not answer")


def _fresh(line: Line, path: str) -> bool:
    """Segments are served for two minutes only."""
    return time.time() - int(path.rpartition("/")[2].partition("-")[0]) * SEGMENT_S < 60


def run(
    channels: int, seconds: float, passes: int, count: int, told: Callable[[dict[str, Any]], None] = lambda _told: None
) -> dict[str, Any]:
    """All of it; `told` hears each part as soon as it is known."""
    every: dict[str, Any] = {}

    def known(part: dict[str, Any]) -> None:
        every.update(part)
        told(part)

    with tempfile.TemporaryDirectory(prefix="linli-bench-tv-") as made:
        folder = Path(made)
        state = folder / "state"
        state.mkdir()
        if (font := ROOT / ".linli" / "font").exists():  # cutting it is no part of this
            (state / "font").symlink_to(font)
        settings = load_settings({"data_dir": folder / "data", "state_dir": state}, {})
        known({"machine": machine.described(), "channels": channels})
        store = wiring.open_store(settings, bus=wiring.wired_bus(wiring.modules_for(demo=False)))
        areas = furnish(store, channels)
        store.close()
        _say("the city is founded")
        words = ["env", f"LINLI_STATE_DIR={state}", sys.executable, "-P", "-m", "hub", "serve", "--role", "web"]
        hub = Program([*words, "--data", str(folder / "data"), "--port", "0"], folder / "hub.log")
        try:
            where = urlsplit(_started(hub, "web ").partition(" ")[2])
            _started(hub, "ready")
            line = Line(where.hostname or "127.0.0.1", where.port or 0)
            viewers = Viewers(line.host, line.port)
            rss = {"base": round(hub.rss_mib())}
            known(idle(hub, channels, "idle"))
            known(opened(hub, viewers, areas))
            known(watched(hub, viewers, areas, seconds))
            viewers.close()
            rss["watched"] = round(hub.rss_mib())
            known(idle(hub, channels, "watched_before"))
            known(beside_nginx(hub, line, areas, folder, passes, count))
            before, began = hub.cpu_s(), time.monotonic()
            guide = line.get("/tv/guide.xml")
            known({"guide_cpu_s": round(hub.cpu_s() - before, 1), "guide_wall_s": round(time.monotonic() - began, 1),
                   "guide_mb": round(len(guide) / 1e6, 1),
                   "hub_rss_mib": {**rss, "with_guide": round(hub.rss_mib())}})  # fmt: skip
            line.close()
        finally:
            hub.stop()
    return every


def idle(hub: Program, channels: int, name: str) -> dict[str, Any]:
    """What the whole hub costs while nobody asks, and a channel's share of it."""
    before = hub.cpu_s()
    time.sleep(IDLE_S)
    share = (hub.cpu_s() - before) / IDLE_S
    return {
        f"{name}_percent_of_core_each": round(share / channels * 100, 6),
        f"{name}_cores_whole_hub": round(share, 4),
    }


def _say(text: str) -> None:
    """How far it is, beside the figures."""
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    words = argparse.ArgumentParser(prog="linli bench tv", description=__doc__.partition("\n")[0])
    words.add_argument("--channels", type=int, default=1557)
    words.add_argument("--seconds", type=float, default=66.0, help="watched; the clock changes once a minute")
    words.add_argument("--passes", type=int, default=5)
    words.add_argument("--count", type=int, default=3000, help="segments in each pass beside nginx")
    words.add_argument("--boxes", action="store_true", help="`linli bench portal` after it")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()

    def show(part: dict[str, Any]) -> None:
        for name, value in part.items():
            print(f"{name:36} {value}", file=sys.stderr if given.json else sys.stdout, flush=True)

    told = run(given.channels, given.seconds, given.passes, given.count, show)
    if given.json:
        print(json.dumps(told, ensure_ascii=False))
    sys.stdout.flush()
    if given.boxes:
        portal.main([])
    else:
        _say("10,000 boxes that ask and 5,000 that listen, beside node: linli bench portal, or --boxes")


if __name__ == "__main__":
    main()
