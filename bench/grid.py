"""`linli bench grid`: the operator's board of a whole city, 1,557 huts and 7,084 devices: looked up, drawn, sent.

CPU time of this process, median of the passes; wall time beside it. The page is asked for over a real socket. With
`--browser` a Chromium opens it too: how long until every hut is painted, and the CPU time of its page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bench.rig import machine
from hub import directory, garbage, login
from hub.access import Permissions
from hub.bus import Bus
from hub.civic.operations import MODULE, board, cards, scope, work
from hub.clock import SystemClock
from hub.db import Store, Tx
from hub.feed import Feed
from hub.ingest import Ingest
from hub.migrations import upgrade
from hub.presence import GatewayPresence
from hub.registry import Device, Gateway, Hut, Registry
from hub.rng import SeededRng
from hub.seal import Seal
from hub.services import Services
from web.app import create_app
from web.render import make_render
from web.serve import HttpServer

HUTS, DEVICES = 1_557, 7_084
BOUND_S = 1.0


def furnish(tx: Tx) -> None:
    """A city with 53 streets, its huts dealt out among them; a third of the lines down."""
    directory.found_area(tx, "420800000000", "city", "荆门市", "Jingmen")
    directory.found_area(tx, "420802000000", "district", "东宝区", "Dongbao", "420800000000")
    for street in range(1, 54):
        code = f"420802{street:03d}000"
        directory.found_area(tx, code, "street", f"{street} 街道", f"Street {street}", "420802000000")
    for number in range(HUTS):
        street = number % 53 + 1
        code, ident = f"420802{street:03d}{number // 53 + 1:03d}", f"hut-{number}"
        directory.found_area(tx, code, "community", f"{number} 社区", f"Community {number}", f"420802{street:03d}000")
        tx.session.add(Hut(id=ident, area=code, zh=f"{number} 健康小屋", en=f"Hut {number}"))
        tx.session.flush()
        tx.session.add(Gateway(id=ident, area=code, hut=ident))
    tx.session.flush()
    for number in range(DEVICES):
        hut = f"hut-{number % HUTS}"
        tx.session.add(
            Device(
                id=f"device-{number}",
                gateway=hut,
                hut=hut,
                profile="generic.sig.2a35",
                kind="bp",
                zh="血压计",
                en="Cuff",
            )
        )
    for number in range(0, HUTS, 3):
        now = tx.now()
        tx.session.add(GatewayPresence(gateway=f"hut-{number}", state="offline", since=now, seen=now))
    directory.hire(tx, "s-operator", "吴霜", "p-wu", [("operator", "420800000000")])


@asynccontextmanager
async def opened(services: Services) -> AsyncIterator[tuple[str, str]]:
    """The pages behind a real socket, and an operator's session."""
    server, stop = HttpServer(services, create_app(services)), asyncio.Event()
    task = asyncio.create_task(server.run(stop))
    await server.started.wait()
    token = await services.store.write(lambda tx: login.open_session(tx, "staff", "staff", "s-operator"))
    yield server.url, str(token)
    stop.set()
    await task


async def ask(services: Services, passes: int, browser: bool) -> dict[str, list[float]]:
    """Load /operate so often; nobody watches, so every part is drawn anew each time."""
    found: dict[str, list[float]] = {"wall_s": [], "cpu_s": [], "bytes": []}
    async with opened(services) as (url, token):
        async with httpx.AsyncClient(base_url=url, cookies={"linli_staff": token}, timeout=60) as http:
            for _pass in range(passes + 1):
                wall, cpu = time.perf_counter(), time.process_time()
                answer = await http.get("/operate")
                answer.raise_for_status()
                found["wall_s"].append(time.perf_counter() - wall)
                found["cpu_s"].append(time.process_time() - cpu)
                found["bytes"].append(float(len(answer.content)))
        if browser:
            found |= await paint(url, token, passes)
    return {name: values[1:] for name, values in found.items()}  # the first compiles the templates


# From the click on: every hut is there, has its place, and two frames have been drawn since.
PAINTED = """() => new Promise((done) => {
  const all = document.querySelectorAll('.ops-cells .ops-cell'), last = all[all.length - 1];
  last.getBoundingClientRect();
  requestAnimationFrame(() => requestAnimationFrame(() => done([performance.now(), all.length])));
})"""


async def paint(url: str, token: str, passes: int) -> dict[str, list[float]]:
    """Open the board in Chromium so often, each time in a fresh context with an empty cache."""
    from playwright.async_api import async_playwright

    found: dict[str, list[float]] = {"painted_s": [], "page_cpu_s": [], "layout_s": [], "first_byte_s": []}
    flags = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-sandbox"]
    program = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=flags)
        for _pass in range(passes + 1):
            context = await chromium.new_context(viewport={"width": 1440, "height": 900})
            await context.add_cookies([{"name": "linli_staff", "value": token, "url": url}])
            page = await context.new_page()
            cdp = await context.new_cdp_session(page)
            await cdp.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time, not a busy machine's wall
            await page.goto(f"{url}/operate", wait_until="load")
            painted_ms, cells = await page.evaluate(PAINTED)
            if cells != HUTS:
                raise AssertionError(f"{cells} huts are drawn, not {HUTS}")
            said = {each["name"]: each["value"] for each in (await cdp.send("Performance.getMetrics"))["metrics"]}
            first = await page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
            found["painted_s"].append(painted_ms / 1000)
            found["page_cpu_s"].append(said["TaskDuration"])
            found["layout_s"].append(said["LayoutDuration"] + said["RecalcStyleDuration"])
            found["first_byte_s"].append(first / 1000)
            await context.close()
        await chromium.close()
    return found


def stages(store: Store, services: Services, passes: int) -> dict[str, float]:
    """CPU seconds of each part of the grid and the queue by itself."""
    render = services.render
    times: dict[str, list[float]] = {}

    def timed(name: str, run: object) -> None:
        began = time.process_time()
        run()  # type: ignore[operator]
        times.setdefault(name, []).append(time.process_time() - began)

    for _pass in range(passes):
        timed("look", lambda: store.read_now(lambda read: board.look(read, scope.WHOLE)))
        timed("queue", lambda: store.read_now(lambda read: work.look(read, scope.WHOLE)))
        view = store.read_now(lambda read: cards.huts(read, "all"))
        timed("draw", lambda view=view: render("operations/huts.html", view, "zh"))
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    words = argparse.ArgumentParser(prog="linli bench grid", description=__doc__)
    words.add_argument("--passes", type=int, default=5)
    words.add_argument("--browser", action="store_true", help="open it in Chromium too")
    words.add_argument("--json", action="store_true")
    said = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-grid-") as folder:
        clock = SystemClock()
        url = f"sqlite:///{folder}/linli.db"
        store = Store(url, seal=Seal(bytes(range(64))), clock=clock, rng=SeededRng("grid"), bus=Bus())
        upgrade(store)
        store.write_now(furnish)
        known = Registry(store, clock)
        known.look()
        render = make_render((MODULE,), None)
        permissions = Permissions([MODULE.permissions or {}])
        services = Services(
            store=store, feed=Feed(store, MODULE.topics, render, clock), registry=known,
            ingest=Ingest(store, known, clock, SeededRng("ids")), clock=clock, rng=store.rng, net=httpx.AsyncClient(),
            permissions=permissions, modules=(MODULE,), render=render, data=Path(folder),
        )  # fmt: skip
        garbage.started()  # as every hub does once it is up
        parts = stages(store, services, said.passes)
        asked = asyncio.run(ask(services, said.passes, said.browser))
        store.close()
    found = {
        "huts": HUTS,
        "devices": DEVICES,
        "page_wall_s": round(statistics.median(asked["wall_s"]), 3),
        "page_cpu_s": round(statistics.median(asked["cpu_s"]), 3),
        "page_kb": round(statistics.median(asked["bytes"]) / 1000),
        "cpu_s": {name: round(value, 3) for name, value in parts.items()},
        "chromium": {
            name: round(statistics.median(asked[name]), 3)
            for name in ("first_byte_s", "painted_s", "page_cpu_s", "layout_s")
            if name in asked
        },
        "bound_s": BOUND_S,
        "machine": machine.described(),
    }
    print(json.dumps(found, ensure_ascii=False) if said.json else json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
