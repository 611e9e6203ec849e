"""Who has gone? A minute without a touch: 还在使用吗? Twenty seconds later the kiosk is clear. The server decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.civic.health import kiosk
from hub.civic.health.models import KioskSession
from hub.civic.health.pending import PENDING
from hub.db import Read, Tx
from hub.services import Services

IDLE_S, WARNING_S = 60, 20  # look.md; hub/settings.py has the knobs
TICK_S = 1.0  # how late the clearing may be
MEASURING_S = 60  # a cuff takes up to a minute, and the hand on it touches nothing; that page shows no value


@dataclass(frozen=True, slots=True)
class Patience:
    idle_s: int = IDLE_S
    warning_s: int = WARNING_S

    @classmethod
    def of(cls, config: Mapping[str, str]) -> Patience:
        return cls(int(config.get("kiosk_idle_s", IDLE_S)), int(config.get("kiosk_warning_s", WARNING_S)))


def quiet_since(session: KioskSession) -> datetime:
    """From when silence counts: the last touch, or the end of a rest or of the longest measurement."""
    if session.hold_until is not None:
        return max(session.last_touch, session.hold_until)
    if session.stage == "measuring":
        return session.last_touch + timedelta(seconds=MEASURING_S)
    return session.last_touch


def sweep(tx: Tx, patience: Patience) -> int:
    """Warn or clear every kiosk whose time has come. Returns how many changed."""
    changed = 0
    for session in _due(tx, patience):
        if session.warned is None:
            session.warned = tx.now()
            tx.session.add(session)
            tx.touch(kiosk.TOPIC, session.hut)
            changed += 1
        elif tx.now() - session.warned >= timedelta(seconds=patience.warning_s):
            kiosk.close(tx, session, "idle")
            changed += 1
    return changed


def _due(read: Read, patience: Patience) -> list[KioskSession]:
    before = read.now() - timedelta(seconds=patience.idle_s)
    rule = select(KioskSession).where(
        col(KioskSession.closed).is_(None),
        col(KioskSession.last_touch) <= before,
    )
    return [session for session in read.session.execute(rule).scalars() if quiet_since(session) <= before]


async def watch(services: Services) -> None:
    """Job: sweep once a second, and take back what was shown as pending but never stored."""
    patience = Patience.of(services.config)
    while True:
        await services.clock.sleep(TICK_S)
        if await services.store.read(lambda read: bool(_due(read, patience))):
            await services.store.write(lambda tx: sweep(tx, patience))
        huts = PENDING.expire(services.clock.now())
        if huts:
            services.feed.committed((), frozenset((kiosk.TOPIC, hut) for hut in huts))
