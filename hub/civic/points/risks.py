"""风险清单: what an office should look at. Nothing here accuses and nothing is stopped by it: a person looks.

Rings of transfers within thirty days; one person's claims in bursts; one pair of hands under most of what one account
was credited; claims signed in the small hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.approval import Signature
from hub.civic.points import transfers
from hub.civic.points.claim_models import Claim
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read

DAYS = 30
NIGHT_UNTIL = 5  # o'clock: nobody of a desk signs before, unless a machine or somebody else's hand does
NIGHT_LEAST = 3
BURST = 6  # claims of one household within a day: a spring cleaning, or a printer
PAIR_LEAST = 5  # credits of one account before one pair of signers says anything
PAIR_SHARE = 0.8
ROWS_MAX = 20_000  # a month of the largest community


@dataclass(frozen=True, slots=True)
class Risk:
    kind: str  # ring | burst | signers | night
    accounts: tuple[str, ...]
    count: int
    staff: tuple[str, ...] = ()


def found(read: Read, area: str) -> list[Risk]:
    since = read.now() - timedelta(days=DAYS)
    return [
        *_rings(read, area, since),
        *_bursts(read, area, since),
        *_signers(read, area, since),
        *_nights(read, area, since),
    ]


def _rings(read: Read, area: str, since: datetime) -> list[Risk]:
    return [Risk("ring", ring, len(ring)) for ring in transfers.rings(read, area, since)]


def _bursts(read: Read, area: str, since: datetime) -> list[Risk]:
    rows = read.session.execute(
        select(col(Claim.home), col(Claim.owner_kind), col(Claim.owner), col(Claim.declared_at))
        .where(col(Claim.area) == area, col(Claim.declared_at) >= since, col(Claim.batch).is_(None))
        .limit(ROWS_MAX)
    )
    days: Counter[tuple[str, str]] = Counter()
    for home, kind, owner, at in rows:
        days[f"household-{home}" if home else f"{kind}-{owner}", at.date().isoformat()] += 1
    return [Risk("burst", (account,), count) for (account, _day), count in sorted(days.items()) if count >= BURST]


def _signers(read: Read, area: str, since: datetime) -> list[Risk]:
    rows = read.session.execute(
        select(col(Posting.destination), col(Txn.verifier), col(Txn.approver))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .join(Account, col(Account.id) == col(Posting.destination))
        .where(col(Account.area) == area, col(Txn.at) >= since, col(Txn.reason) == "award")
        .where(col(Txn.evidence).startswith("claim:"))
        .limit(ROWS_MAX)
    )
    by: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for account, verifier, approver in rows:
        by[account][verifier or "", approver or ""] += 1
    marked = []
    for account, pairs in sorted(by.items()):
        pair, count = pairs.most_common(1)[0]
        if sum(pairs.values()) >= PAIR_LEAST and count >= PAIR_SHARE * sum(pairs.values()):
            marked.append(Risk("signers", (account,), count, tuple(each for each in pair if each)))
    return marked


def _nights(read: Read, area: str, since: datetime) -> list[Risk]:
    zone = ZoneInfo(directory.area(read, area).tz)
    rows = read.session.execute(
        select(col(Signature.staff), col(Signature.at), col(Claim.owner_kind), col(Claim.owner))
        .join(Claim, col(Signature.subject) == "claim:" + col(Claim.id))
        .where(col(Claim.area) == area, col(Signature.at) >= since)
        .limit(ROWS_MAX)
    )
    signed: Counter[str] = Counter()
    whose: dict[str, set[str]] = defaultdict(set)
    for staff, at, kind, owner in rows:
        if at.astimezone(zone).hour < NIGHT_UNTIL:
            signed[staff] += 1
            whose[staff].add(f"{kind}-{owner}")
    return [
        Risk("night", tuple(sorted(whose[staff])), count, (staff,))
        for staff, count in sorted(signed.items()) if count >= NIGHT_LEAST
    ]  # fmt: skip
