"""A hut in which everything goes wrong, for minutes on end, before a whole hub: do the sums add up at the end?

    linli bench faults [--minutes 3] [--speed 1500] [--json]

Not a race but an acceptance: `linli simulate hut --faults all` and `linli serve` run as two programs of their own on
real sockets and a real disk. Afterwards the store is opened and asked: is every message that came to the door counted
as stored, duplicate, quarantined or refused; does every count stand on disk; has any value come from a special word;
has anything but "Hi" and "Lo" called somebody on a quality that is not ok? It exits with 1 where one of them fails.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from sqlmodel import col

from bench.rig.process import Program, python
from hub import directory, readings, registry
from hub.civic.health.models import HealthAlert
from hub.db import Read, Tx
from hub.main import wiring
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.settings import load as load_settings
from simulators import equipment

CITY, AREA, HUT = "420800000000", "420802002001", "bench-hut"
SPECIAL = {2047, 2046, 2048, 2049, 2050, 65535, 8388607, 8388606, 8388608}  # the words for "no number", read as numbers
BEYOND = {"result_too_high", "result_too_low"}
UP_WITHIN_S, SETTLED_WITHIN_S = 60.0, 30.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="linli bench faults")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--speed", type=float, default=1500.0, help="so many times as often as in life people come")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-faults-") as folder:
        report = run(Path(folder), wanted.minutes, wanted.speed)
    print(json.dumps(report, ensure_ascii=False) if wanted.json else told(report))
    if report["wrong"]:
        sys.exit(1)


def run(folder: Path, minutes: float, speed: float) -> dict[str, Any]:
    data, http_port, mqtt_port = folder / "data", free_port(), free_port()
    password = furnish(data)
    hub = Program(
        python("hub", "serve", "--data", str(data), "--port", str(http_port), "--mqtt-port", str(mqtt_port)),
        folder / "hub.log",
    )
    try:
        base = f"http://127.0.0.1:{http_port}"
        until(lambda: httpx.get(f"{base}/readyz").status_code == 200, UP_WITHIN_S, hub)
        words = python(
            "hub", "simulate", "hut", HUT, "--password", password, "--mqtt", f"mqtt://127.0.0.1:{mqtt_port}",
            "--area", AREA, "--minutes", str(minutes), "--speed", str(speed), "--faults", "all",
        )  # fmt: skip
        for kind in kinds():
            words += ["--device", f"{HUT}-{kind.replace('_', '-')}={kind}"]
        simulator = Program(words, folder / "hut.log")
        while simulator.running:
            time.sleep(0.5)
        simulator.stop()
        until(lambda: counted(base)["waiting"] == 0, SETTLED_WITHIN_S, hub)
        metrics = counted(base)
    finally:
        hub.stop()
    said = simulator.said.strip().splitlines()
    sent = json.loads(said[-1]) if said and said[-1].startswith("{") else {}
    return {"sent": sent, **metrics, **judged(data, metrics, sent)}


def kinds() -> list[str]:
    return sorted({**equipment.MODELS, **equipment.MORE})


def furnish(data: Path) -> str:
    store = wiring.open_store(load_settings({"data_dir": data}, {}))

    def work(tx: Tx) -> str:
        directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
        directory.found_area(tx, AREA, "community", "柳河社区", "Liuhe", CITY)
        registry.found_hut(tx, HUT, AREA, "居民健康小屋", "Residents' health hut")
        password = registry.add_gateway(tx, HUT, AREA, HUT)
        for kind in kinds():
            model = {**equipment.MODELS, **equipment.MORE}[kind][0]
            registry.add_device(tx, f"{HUT}-{kind.replace('_', '-')}", HUT, model)
        return password

    try:
        return store.write_now(work)
    finally:
        store.close()


def counted(base: str) -> dict[str, Any]:
    """The hub's own word on what became of everything."""
    text = httpx.get(f"{base}/metrics").text
    found = {name: float(value) for name, value in re.findall(r"^(linli_ingest\S*) (\S+)$", text, re.MULTILINE)}
    refused = {
        name.split('"')[1]: int(value) for name, value in found.items() if name.startswith("linli_ingest_refused_total")
    }
    became = {
        each: int(found[f'linli_ingest_total{{what="{each}"}}']) for each in ("stored", "duplicate", "quarantined")
    }
    return {
        "ingested": int(found["linli_ingested_total"]),
        **became,
        "refused": refused,
        "waiting": int(found["linli_ingest_waiting"]),
    }


def judged(data: Path, metrics: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """What the store says, and all that is wrong with it."""
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        stored, reasons, special, alarms = store.read_now(look)
    finally:
        store.close()
    wrong = []
    sums = metrics["stored"] + metrics["duplicate"] + metrics["quarantined"] + sum(metrics["refused"].values())
    if metrics["ingested"] != sums:
        wrong.append(f"{metrics['ingested']} came to the door, {sums} are accounted for")
    if (stored, sum(reasons.values())) != (metrics["stored"], metrics["quarantined"]):
        wrong.append(f"on disk stand {stored} readings and {sum(reasons.values())} quarantined frames")
    if sent.get("without_receipt", 1):
        wrong.append(f"{sent.get('without_receipt', 'all')} entries have no receipt")
    wrong += special + alarms
    return {"readings": stored, "quarantine": dict(sorted(reasons.items())), "wrong": wrong}


def look(read: Read) -> tuple[int, Counter[str], list[str], list[str]]:
    count, special = 0, []
    quality: dict[str, tuple[str, set[str]]] = {}
    for row in read.session.execute(select(Reading)).scalars():
        count += 1
        quality[row.id] = row.quality, set(row.reasons.split())
        now, orig = readings.open_values(read.seal, row.sealed_values)
        special += [
            f"{row.id}: {each.code} is {each.value}" for each in (*now, *orig) if each.value is not None
            and each.value in SPECIAL
        ]  # fmt: skip
    reasons = Counter(read.session.execute(select(col(QuarantineRow.reason))).scalars())
    alarms = [
        f"{alert.id} called somebody about a reading that is {quality[alert.reading][0]}"
        for alert in read.session.execute(select(HealthAlert)).scalars()
        if alert.reading in quality and quality[alert.reading][0] != "ok" and not quality[alert.reading][1] & BEYOND
    ]
    return count, reasons, special, alarms


def told(report: dict[str, Any]) -> str:
    faults = {name[6:]: count for name, count in report["sent"].items() if name.startswith("fault ")}
    lines = [
        f"measured {report['sent'].get('measured', 0)} times, {sum(faults.values())} with one of {len(faults)} faults",
        f"came to the door {report['ingested']} = stored {report['stored']} + duplicate {report['duplicate']}"
        f" + quarantined {report['quarantined']} + refused {sum(report['refused'].values())}",
        f"quarantined: {', '.join(f'{reason} {count}' for reason, count in report['quarantine'].items())}",
        f"refused: {', '.join(f'{reason} {count}' for reason, count in sorted(report['refused'].items()))}",
    ]
    return "\n".join(
        [*lines, *(f"WRONG: {each}" for each in report["wrong"][:20]), "" if report["wrong"] else "all holds"]
    )


def until(holds: Any, seconds: float, hub: Program) -> None:
    end, said = time.monotonic() + seconds, ""
    while True:
        try:
            if holds():
                return
        except httpx.HTTPError as error:
            said = str(error)  # it is not up yet
        if time.monotonic() > end or not hub.running:
            raise RuntimeError(f"the hub did not get so far: {said} {hub.said[-2000:]}")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


if __name__ == "__main__":
    main()
