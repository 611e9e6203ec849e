"""What runs by itself: orders and wishes go out to the gateways, rules look at the devices, papers warn in time."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from devices import topics
from hub import held, retention, twin
from hub.civic.fleet import certificates, findings, holds, peers, takein
from hub.civic.fleet.rules import Finding
from hub.db import Read, Tx
from hub.module import Job
from hub.registry import Device, Gateway
from hub.services import Services
from hub.twin import Command, Twin

log = logging.getLogger(__name__)
CARRY_TICK_S = 2.0  # a nurse who pressed 校时 waits no longer
SWEEP_TICK_S = 60.0
DAILY = timedelta(days=1)
FORGOTTEN_PAGE = 500  # rows a transaction: ingest must not wait behind it


def wished(read: Read) -> list[tuple[Twin, str, str]]:
    """Twins whose newest wish does not stand at the door yet, with area and gateway."""
    return [(found, area, gateway) for found, area, gateway in read.session.execute(_WISHED)]


# Made once, as `_OVER` below: they are asked every two seconds for ever.
_WISHED = (
    select(Twin, col(Gateway.area), col(Gateway.id))
    .join(Device, col(Device.id) == col(Twin.device))
    .join(Gateway, col(Gateway.id) == col(Device.gateway))
    .where(col(Twin.version) > col(Twin.sent))
)


async def carry(hub: Services) -> None:
    """Say to the gateways what waits for them, and take in what a release has let go."""
    while True:
        await hub.clock.sleep(CARRY_TICK_S)
        await takein.once(hub)
        if hub.door is not None:
            await carry_once(hub)


async def carry_once(hub: Services) -> None:
    commands, wishes, over = await hub.store.read(lambda read: (twin.due(read), wished(read), _over(read)))
    if over:
        await hub.store.write(twin.expire)
    door = hub.door
    if door is None or not (commands or wishes):
        return
    for each in commands:
        topic = topics.cmd(each.area, each.gateway, each.device, each.id)
        body = {"name": each.name, "args": json.loads(each.args), "expires": each.expires.isoformat()}
        await door.publish(topic, json.dumps(body, ensure_ascii=False).encode())
    for wish, area, gateway in wishes:
        body = {"version": wish.version, **twin.desired(wish)}
        topic = topics.twin_desired(area, gateway, wish.device)
        await door.publish(topic, json.dumps(body, ensure_ascii=False).encode(), retain=True)
    await hub.store.write(lambda tx: _sent(tx, commands, [wish for wish, _area, _gateway in wishes]))


def _over(read: Read) -> bool:
    return read.session.execute(_OVER, {"now": read.now()}).first() is not None


_OVER = (
    select(col(Command.id)).where(col(Command.state).in_(twin.OPEN), col(Command.expires) <= bindparam("now")).limit(1)
)


def _sent(tx: Tx, commands: Sequence[Command], wishes: Sequence[Twin]) -> None:
    for each in commands:  # an answer may have come already: what has ended stays ended
        mine = update(Command).where(col(Command.id) == each.id, col(Command.state).in_(twin.OPEN))
        tx.change(mine.values(state="sent", sent_at=tx.now()))
    for wish in wishes:
        mine = update(Twin).where(col(Twin.device) == wish.device, col(Twin.sent) < wish.version)
        tx.change(mine.values(sent=wish.version))


async def sweep(hub: Services) -> None:
    """Once a minute the quick rules, once a day those that open values, and the papers with both."""
    daily: datetime | None = None
    while True:
        await hub.clock.sleep(SWEEP_TICK_S)
        found = await hub.store.read(findings.gather)
        if daily is None or hub.clock.now() - daily >= DAILY:
            found += await hub.store.read(findings.drift)
            found += await peers.find(hub)
            daily = hub.clock.now()
            await hub.store.write(certificates.warn)
            while await hub.store.write(lambda tx: held.forget(tx, FORGOTTEN_PAGE)) == FORGOTTEN_PAGE:
                pass
        fresh = await hub.store.read(lambda read, found=found: _new(read, found))  # type: ignore[misc]
        if fresh:
            placed = await hub.store.write(lambda tx, fresh=fresh: place_all(tx, fresh))  # type: ignore[misc]
            log.warning("devices are held back", extra={"holds": placed})


def _new(read: Read, found: Sequence[Finding]) -> list[Finding]:
    """Without those that are held by the same rule already."""
    return [each for each in found if each.rule not in {hold.rule for hold in holds.open_of(read, each.device)}]


def place_all(tx: Tx, found: Sequence[Finding]) -> int:
    return sum(holds.place(tx, each) for each in found)


JOBS = (
    Job("carry", carry, "ingest"),
    Job("sweep", sweep, "ingest"),
    Job("forget-frames", retention.every_night, "ingest"),
)
