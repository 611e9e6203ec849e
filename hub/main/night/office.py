"""The people at the desks of a night: notices released and withdrawn, points credited and shared.

Who gets no answer looks whether it happened, and asks again under the same name.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from hub import directory
from hub.access import Permissions, Subject
from hub.audience import Audience
from hub.civic.notices import PERMISSIONS, desk
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.civic.points import beneficiary, ledger
from hub.civic.points.ledger import NotEnoughPoints
from hub.civic.points.why import Why
from hub.clock import Clock
from hub.db import Read, Tx
from hub.errors import LinliError
from hub.main.night.disk import Disk
from hub.main.night.life import Life, Unknown
from hub.main.night.net import Net
from hub.main.night.oracle import Moved, Oracle, Told
from hub.main.night.town import COMMUNITIES, PEOPLE

T = TypeVar("T")
NOTICE_EVERY_S, POINTS_EVERY_S = 20.0, 8.0
RETRACT_SHARE, SHORT_SHARE, REPEAT_SHARE = 0.3, 0.2, 0.2
CALM_BEFORE_S, CALM_AFTER_S = 5.0, 14.0
LOOK_AGAIN_S = 1.0


class Office:
    def __init__(self, net: Net, clock: Clock, disk: Disk, oracle: Oracle, life: Callable[[], Life | None], seed: str):
        self._net, self._clock, self._disk, self._oracle, self._life = net, clock, disk, oracle, life
        self._chance = random.Random(f"{seed} office")  # noqa: S311
        self._count = 0
        self.busy = 0  # what somebody is still waiting for

    async def notices(self, until_s: float) -> None:
        while self._net.time() < until_s:
            await asyncio.sleep(self._chance.expovariate(1 / NOTICE_EVERY_S))
            self.busy += 1
            await self._one_notice()
            self.busy -= 1

    async def points(self, until_s: float) -> None:
        while self._net.time() < until_s:
            await asyncio.sleep(self._chance.expovariate(1 / POINTS_EVERY_S))
            self.busy += 1
            await self._one_movement()
            self.busy -= 1

    async def _one_notice(self) -> None:
        self._count += 1
        areas = self._chance.choice([COMMUNITIES[:1], COMMUNITIES[1:], COMMUNITIES])
        length_s = 90.0 if self._chance.random() < SHORT_SHARE else 7_200.0
        withdraw = self._chance.random() < RETRACT_SHARE
        wait_s = self._chance.uniform(2.0, 60.0)
        title, asked_s = f"通知{self._count:04}", self._net.time()
        words = Words(
            kind="water", title=title, text="因管道检修停水。", audience=Audience(areas),
            expires=self._clock.now() + timedelta(seconds=length_s),
        )  # fmt: skip
        people = tuple(ident for ident, area in PEOPLE.items() if area in areas)
        ident = await self._until_known(partial(_draft, words=words), partial(_drafted, title=title))
        told = Told(ident, title, areas, people, asked_s, asked_s, asked_s + length_s)
        self._oracle.notices.append(told)
        await self._until_known(partial(_release, ident=ident), partial(_left_draft, ident=ident))
        told.released_s = self._net.time()
        self._net.said(f"released {title} for {len(people)} people", "desk")
        self._net.later(CALM_AFTER_S, partial(self._was_calm, told))
        if withdraw and length_s > wait_s + 60.0:
            await asyncio.sleep(wait_s)
            told.retracted = True
            await self._until_known(partial(_retract, ident=ident), partial(_ended, ident=ident))
            told.ended_s = self._net.time()
            self._net.said(f"withdrew {title}", "desk")

    def _was_calm(self, told: Told) -> None:
        life, since_s = self._life(), told.released_s - CALM_BEFORE_S
        told.calm = (
            life is not None and life.started_s < since_s and self._disk.last_trouble_s < since_s
            and not self._disk.was_slow_since(since_s) and told.released_s - told.asked_s < CALM_BEFORE_S
        )  # fmt: skip

    async def _one_movement(self) -> None:
        self._count += 1
        person = self._chance.choice(list(PEOPLE))
        area, amount = PEOPLE[person], self._chance.randrange(1, 30)
        issue, own, home = f"issue-{area}-2026", f"person-{person}", f"household-h-{person}"
        source, destination = (issue, own) if self._chance.random() < 0.6 else (own, home)
        move = Moved(f"night:{self._count}", source, destination, amount)
        self._oracle.moves.append(move)
        times = 2 if self._chance.random() < REPEAT_SHARE else 1
        for _ in range(times):
            await self._move(move)

    async def _move(self, move: Moved) -> None:
        while True:
            life = self._life()
            try:
                if life is None:
                    raise Unknown
                await life.write(partial(_post, move=move))
            except (Unknown, SQLAlchemyError):
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            except NotEnoughPoints:
                move.done = False if move.done is None else move.done
                return
            move.done = True
            return

    async def _until_known(self, act: Callable[[Tx], T], happened: Callable[[Read], T | None]) -> T:
        """Do it; without an answer look first whether it happened."""
        tried = False
        while True:
            life = self._life()
            try:
                if life is None:
                    raise Unknown
                known = await life.read(happened) if tried else None
                if known is not None:
                    return known
                tried = True
                return await life.write(act)
            except (Unknown, SQLAlchemyError):
                await asyncio.sleep(LOOK_AGAIN_S)
            except LinliError as refused:
                self._oracle.blame(f"the desk was refused: {refused}")
                raise


def _by(read: Read, ident: str) -> Subject:
    granted = directory.grants(read, ident)
    return Subject(id=ident, kind="staff", grants=granted, surface="staff", person=f"p-{ident}").with_permissions(
        Permissions([PERMISSIONS])
    )


def _draft(tx: Tx, words: Words) -> str:
    return desk.draft(tx, _by(tx, "s-desk"), words).id


def _drafted(read: Read, title: str) -> str | None:
    return read.session.execute(select(col(Notice.id)).where(col(Notice.title) == title)).scalars().first()


def _release(tx: Tx, ident: str) -> str:
    return desk.release(tx, _by(tx, "s-head"), ident).state


def _left_draft(read: Read, ident: str) -> str | None:
    notice = read.session.get(Notice, ident)
    return notice.state if notice is not None and notice.state != "draft" else None


def _retract(tx: Tx, ident: str) -> str:
    return desk.retract(tx, _by(tx, "s-head"), ident, "已修复").state


def _ended(read: Read, ident: str) -> str | None:
    notice = read.session.get(Notice, ident)
    return notice.state if notice is not None and notice.state in ("retracted", "expired") else None


def _post(tx: Tx, move: Moved) -> str:
    kind, _dash, owner = move.source.partition("-")
    if kind == "issue":
        area = owner.partition("-")[0]
        ledger.house_account(tx, "issue", area, "Asia/Shanghai")
    for end in (move.source, move.destination):
        kind, _dash, owner = end.partition("-")
        if kind != "issue":
            ledger.open_account(tx, beneficiary.one(tx, kind, owner))
    why = Why("award" if move.source.startswith("issue") else "share", proposer="s-desk")
    return ledger.post(tx, move.source, move.destination, move.amount, move.reference, why).txn
