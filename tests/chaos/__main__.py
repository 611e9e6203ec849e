"""Black-box chaos: the README's command, a driver with a journal of its own, weather in the net, kills and pauses.

    python -m tests.chaos --seed 1 --minutes 3                     as many kills as fit
    python -m tests.chaos --seed 1 --kills 200 --door mosquitto
    python -m tests.chaos --scenario overload                      also: reconnect, backlog, restart, full, reach

The last line on standard output is JSON: the figures of the promise. The exit code is 1 when it was not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.chaos import backlog, full, kills, overload, reach, reconnect, restart


async def _kill(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    verdict = await kills.run(
        folder,
        seed=given.seed,
        kills=given.kills,
        seconds=(given.minutes or (0 if given.kills else 3)) * 60,
        rate=given.rate,
        door=given.door,
        readme=not given.lean,
    )
    return verdict.figures(), verdict.judgement.clean and verdict.outstanding == 0


async def _overload(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await overload.run(folder, seconds=(given.minutes or 1) * 60 / 2)
    return figures.as_dict(), figures.kept()


async def _reconnect(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await reconnect.run(folder, clients=given.clients)
    return figures.as_dict(), figures.kept()


async def _backlog(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await backlog.run(folder, readings=given.readings)
    return figures.as_dict(), figures.kept()


async def _restart(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await restart.run(folder, mib=given.mib, kills=given.kills or 10)
    return figures.as_dict(), figures.kept()


async def _full(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await full.run(folder, seed=given.seed)
    return figures.as_dict(), figures.kept()


async def _reach(folder: Path, given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    figures = await reach.run(
        folder, seed=given.seed, residents=given.residents, notices=given.notices, kills=given.kills or 20
    )
    return figures.as_dict(), figures.kept()


RUN = {
    "kill": _kill,
    "overload": _overload,
    "reconnect": _reconnect,
    "backlog": _backlog,
    "restart": _restart,
    "full": _full,
    "reach": _reach,
}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--scenario", choices=sorted(RUN), default="kill")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument(
        "--minutes", type=float, default=0, help="of kills: 3 unless their number is given; of overload: 1"
    )
    words.add_argument("--kills", type=int, default=0, help="so many, or as fit into the minutes")
    words.add_argument("--lean", action="store_true", help="doors and ingest only, no pages: a start takes less")
    words.add_argument("--rate", type=float, default=500)
    words.add_argument("--clients", type=int, default=10_000, help="of reconnect")
    words.add_argument("--readings", type=int, default=180_000, help="of backlog")
    words.add_argument("--residents", type=int, default=2_000, help="of reach")
    words.add_argument("--notices", type=int, default=10, help="of reach")
    words.add_argument("--mib", type=float, default=1024, help="of the store of restart")
    words.add_argument("--door", choices=(kills.EMBEDDED, kills.MOSQUITTO), default=kills.EMBEDDED)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-chaos-") as folder:
        figures, kept = asyncio.run(RUN[given.scenario](Path(folder), given))
    print(json.dumps({**figures, "kept": kept}))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
