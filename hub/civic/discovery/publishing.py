"""The job: what huts and rooms look like now, published when it differs from what was said last."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlmodel import col

from devices.profile import all_profiles
from hub import presence, readings
from hub.civic.discovery import documents
from hub.civic.discovery.documents import ROOM, Kiosk, Room
from hub.db import Read
from hub.derived import numbers_of
from hub.readings import Reading
from hub.registry import Device, Gateway, Hut
from hub.services import Services

POLL_S = 10.0  # a panel on a wall need not be quicker
SWITCH = "home_assistant"
KIND = "env"


class Said:
    """What was published last: topic -> payload. A new process says everything once."""

    def __init__(self) -> None:
        self._payloads: dict[str, bytes] = {}

    def news(self, now: Mapping[str, bytes]) -> dict[str, bytes]:
        """What changed; what is gone is taken back with an empty payload."""
        changed = {topic: payload for topic, payload in now.items() if self._payloads.get(topic) != payload}
        gone = {topic: b"" for topic in self._payloads.keys() - now.keys()}
        self._payloads = dict(now)
        return {**changed, **gone}


async def keep_published(services: Services) -> None:
    said = Said()
    while True:
        if services.config.get(SWITCH) == "1":
            await publish(services, said)
        await services.clock.sleep(POLL_S)


async def publish(services: Services, said: Said) -> int:
    door = services.door
    if door is None:
        return 0
    news = said.news(await services.store.read(everything))
    for topic, payload in news.items():
        await door.publish(topic, payload, qos=1, retain=True)
    return len(news)


def everything(read: Read) -> dict[str, bytes]:
    """topic -> payload of all that may be told. Nothing is asked of the store that belongs to a person."""
    found: dict[str, bytes] = {}
    huts = {row.id: row for row in read.session.execute(select(Hut)).scalars()}
    for room in _rooms(read, huts):
        found |= documents.room(room)
    for kiosk in _kiosks(read, huts):
        found |= documents.kiosk(kiosk)
    return found


def _rooms(read: Read, huts: Mapping[str, Hut]) -> list[Room]:
    rule = select(Device).where(col(Device.kind) == KIND, col(Device.state) == "active")
    rooms = {row.id: row for row in read.session.execute(rule).scalars()}
    if not rooms:
        return []
    newest = (
        select(col(Reading.device), func.max(col(Reading.t_received_ms)).label("at"))
        .where(col(Reading.device).in_(rooms), col(Reading.kind) == KIND)
        .group_by(col(Reading.device))
        .subquery()
    )
    last = select(Reading).join(
        newest, (newest.c.device == col(Reading.device)) & (newest.c.at == col(Reading.t_received_ms))
    )
    found = []
    for row in read.session.execute(last.where(col(Reading.kind) == KIND)).scalars():
        device = rooms[row.device]
        profile = all_profiles().get(device.profile or "")
        numbers = numbers_of(readings.values(read, row)) if row.person is None and row.quality == "ok" else {}
        found.append(
            Room(
                id=device.id,
                name=device.zh,
                place=huts[device.hut].zh if device.hut in huts else "",
                model=profile.id if profile is not None else "",
                expires_s=profile.offline_after_s if profile is not None else 3600,
                values={code: number for code, number in numbers.items() if code in ROOM},
            )
        )
    return found


def _kiosks(read: Read, huts: Mapping[str, Hut]) -> list[Kiosk]:
    lines = presence.gateways(read)
    gateways: dict[str, list[str]] = {}
    for row in read.session.execute(select(Gateway).where(col(Gateway.hut).is_not(None))).scalars():
        gateways.setdefault(str(row.hut), []).append(row.id)
    upkeep: dict[str, list[str]] = {}
    for device in read.session.execute(select(Device).where(col(Device.hut).is_not(None))).scalars():
        if device.upkeep:
            upkeep.setdefault(str(device.hut), []).append(device.upkeep)
    return [
        Kiosk(
            id=hut.id,
            name=hut.zh,
            place=hut.place_zh,
            online=any(each in lines and lines[each].state == "online" for each in gateways.get(hut.id, ())),
            upkeep=tuple(sorted(upkeep.get(hut.id, ()))),
        )
        for hut in huts.values()
    ]
