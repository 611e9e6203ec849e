"""P8: many notices to many residents on five ways, through a far end that loses, doubles and reorders, while the hub is
killed again and again. At every restart the sums are the audience's and nothing has moved back; nobody gets a notice
twice, none after its end, and whoever got one that was withdrawn is told so.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from hub import audience, directory
from hub.db import Read, Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.main import wiring
from hub.outbox import OPEN, Fanout, Outbox
from hub.settings import load as load_settings
from tests.chaos.hub_process import ROOT
from tests.chaos.reach_far import GONE_EVERY, FarEnd, running
from tests.chaos.reach_hub import SEND_S, WAYS
from tests.chaos.reach_judge import Snapshot, Story, Verdict, complete, judge, look
from tests.world import lay_store

CITY, HERE = "420800000000", "420802002001"
STIR_S, UP_S = 10.0, (0.0, 4.0)  # a hub is killed so long after its first call to the far end
DRAIN_S, OBEYED_S = 1_500.0, 60.0
SHORT_S = 8.0  # a notice that runs out while it is being sent
GRACE_S = 0.3 + SEND_S  # a call that was under way at the end; its people are told that it no longer holds


@dataclass(frozen=True)
class Figures:
    residents: int
    notices: int
    deliveries: int
    kills: int
    shown: int
    given_up: int
    lost_acknowledgements: int
    dropped: int
    doubled: int
    seconds: float
    looks: int
    wrong_sums: int
    moved_back: int
    too_late: int
    shown_twice: int
    not_told: int
    missing: int
    examples: list[str]

    def kept(self) -> bool:
        faults = (self.wrong_sums, self.moved_back, self.too_late, self.shown_twice, self.not_told, self.missing)
        return not any(faults)

    def as_dict(self) -> dict[str, object]:
        return {"scenario": "reach", **asdict(self)}


def _furnish(tx: Tx, residents: int) -> None:
    directory.found_area(tx, CITY, "city", "荆门市", "Jingmen")
    directory.found_area(tx, HERE, "community", "浏河社区", "Liuhe", CITY)
    directory.found_building(tx, "b1", HERE, "1栋", "Building 1", grid=1)
    people = [NewResident(f"r-{n}", f"h-{n}", "周甲", "f", date(1980, 1, 1)) for n in range(residents)]
    homes = [NewHousehold(one.household, "b1", str(n), (), (one,)) for n, one in enumerate(people)]
    directory.register_households(tx, HERE, homes)
    for way in WAYS:
        audience.bind_many(tx, way, [(one.id, f"{way}-{n}") for n, one in enumerate(people)])


@dataclass
class Desk:
    """Who releases and withdraws, by asking the hub."""

    far: FarEnd
    dice: random.Random
    residents: int

    async def release(self, number: int) -> Story:
        expires = time.time() + (SHORT_S if self.dice.random() < 0.25 else 3_600)
        notice, priority = f"n-{number}", self.dice.choice(("routine", "important", "urgent", "emergency"))
        said = {"notice": notice, "area": HERE, "expires": expires, "priority": priority, "audience": self.residents}
        await asyncio.wait_for(self.far.order(do="release", **said), OBEYED_S)
        return Story(notice, self.residents, time.time(), None, expires)

    async def cancel(self, story: Story) -> Story:
        await asyncio.wait_for(self.far.order(do="cancel", notice=story.notice, area=HERE), OBEYED_S)
        return replace(story, cancelled=time.time())


async def _start(data: Path, far: str) -> Process:
    words = [sys.executable, "-P", "-m", "tests.chaos.reach_hub", str(data), far]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "LINLI_LOG_LEVEL": "ERROR"}
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, env=environment, cwd=data.parent)
    assert process.stdout is not None
    async with asyncio.timeout(180):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    await process.wait()


async def run(folder: Path, *, seed: int, residents: int = 2_000, notices: int = 10, kills: int = 20) -> Figures:
    began, dice = time.monotonic(), random.Random(seed)
    data = folder / "data"
    lay_store(data)
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    store.write_now(lambda tx: _furnish(tx, residents))
    far, verdict = FarEnd(folder / "phones.jsonl", seed), Verdict()
    desk = Desk(far, dice, residents)
    stories: list[Story] = []
    seen: Snapshot | None = None
    async with running(far) as address:
        hub = await _start(data, address)
        try:
            for number in range(kills):
                for _each in range(-(-notices * (number + 1) // kills) - len(stories)):
                    stories.append(await desk.release(len(stories)))
                far.called.clear()
                with suppress(TimeoutError):  # nothing may be left to send
                    await asyncio.wait_for(far.called.wait(), STIR_S)
                await asyncio.sleep(dice.uniform(*UP_S))  # the random instant is what is being tested
                open_ones = [place for place, each in enumerate(stories) if each.cancelled is None]
                if open_ones and dice.random() < 0.3:
                    place = dice.choice(open_ones)
                    stories[place] = await desk.cancel(stories[place])
                await _kill(hub)
                seen = look(data / "linli.db", seen, stories, verdict)
                print(f"kill {number + 1}: {len(far.shown)} shown, {far.met}", file=sys.stderr, flush=True)
                hub = await _start(data, address)
            await asyncio.wait_for(_drained(store), DRAIN_S)
        finally:
            await _kill(hub)
            look(data / "linli.db", seen, stories, verdict)
            store.close()
    return _figures(data, far, stories, verdict, residents, kills, time.monotonic() - began)


async def _drained(store: Store) -> None:
    """Another process sends; all that can be seen of it is the store."""

    def waits(read: Read) -> int:
        unspread = select(func.count()).select_from(Fanout).where(col(Fanout.done).is_(False))
        waiting = select(func.count()).select_from(Outbox).where(col(Outbox.state).in_(OPEN))
        return int(read.session.execute(unspread).scalar_one() + read.session.execute(waiting).scalar_one())

    while await store.read(waits):  # noqa: ASYNC110
        await asyncio.sleep(0.2)


def _figures(
    data: Path, far: FarEnd, stories: list[Story], verdict: Verdict, residents: int, kills: int, seconds: float
) -> Figures:
    judge(far.journal, stories, GRACE_S, verdict)
    living = [n for n in range(residents) if n % GONE_EVERY != GONE_EVERY - 1]
    everybody = {(way, f"{way}-{n}") for way in WAYS for n in living}
    running_on = [each for each in stories if each.cancelled is None and each.expires > time.time()]
    given_up = sum(complete(far.journal, data / "linli.db", each, everybody, verdict) for each in running_on)
    faults = [*verdict.wrong_sums, *verdict.moved_back, *verdict.too_late, *verdict.twice, *verdict.not_told]
    return Figures(
        residents, len(stories), len(stories) * residents * len(WAYS), kills, len(far.shown), given_up, far.met["lost"],
        far.met["dropped"], far.met["doubled"], round(seconds, 1), verdict.looks, len(verdict.wrong_sums),
        len(verdict.moved_back), len(verdict.too_late), len(verdict.twice), len(verdict.not_told),
        len(verdict.missing), [*faults, *verdict.missing][:5],
    )  # fmt: skip
