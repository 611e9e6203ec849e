"""What is known of the chains: all of them recomputed every night and on a button, the tail at each look.

A community's file of ten years has a hundred thousand entries. A page that recomputed them at every load would be slow
for whoever looks and an easy way to keep the hub busy; one that only said what the night had found would be a day late.
So the night leaves how far it came, and a look goes on from there: what is newer is recomputed, and the link where the
night stopped must still be what it was. An old entry that is changed in the day is found by the night or the button.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import col

from hub.civic.points import chain
from hub.civic.points.chain import Broken, Walked
from hub.civic.points.models import Checked, Link, Posting, Txn
from hub.civic.points.money_events import ChainChecked
from hub.db import Read, Tx


@dataclass(frozen=True, slots=True)
class Proof:
    """Of one community: what was recomputed from the first link on and when, and what was just now."""

    area: str
    at: datetime | None  # None: never, so all of it was recomputed now
    links: int
    entries: int
    since_links: int
    since_entries: int
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    at: datetime
    link: int  # the newest of all links, and of all postings, that it saw
    posting: int
    walked: dict[str, Walked]
    outside: tuple[Broken, ...]

    @property
    def broken(self) -> list[Broken]:
        return [*self.outside, *(each for walked in self.walked.values() for each in walked.broken)]


def look(read: Read, areas: Collection[str]) -> list[Proof]:
    """The tails. What a whole check found broken stays said until a whole check finds it mended."""
    known = {
        row.area: row
        for row in read.session.execute(select(Checked).where(col(Checked.area).in_(sorted(areas)))).scalars()
    }
    return [_look(read, area, known.get(area)) for area in sorted(areas)]


def survey(read: Read, areas: Collection[str] | None = None) -> Survey:
    """Whole chains, of these communities or of all. It only reads: nobody who writes waits for it."""
    names = areas if areas is not None else read.session.execute(select(col(Link.area)).distinct()).scalars().all()
    link = read.session.execute(select(func.coalesce(func.max(col(Link.id)), 0))).scalar_one()
    posting = read.session.execute(select(func.coalesce(func.max(col(Posting.id)), 0))).scalar_one()
    walked = {area: chain.walk(read, area, until=link) for area in sorted(names)}
    return Survey(read.now(), link, posting, walked, tuple(chain.outside(read)) if areas is None else ())


def keep(tx: Tx, found: Survey) -> None:
    """How far a survey came, and what it found, for whoever looks until the next one."""
    for area, walked in found.walked.items():
        (month, seq, head), bad = walked.end, walked.broken
        kept = Checked(
            area=area, month=month, seq=seq, head=head, link=found.link, posting=found.posting, links=walked.links,
            entries=walked.entries, at=found.at, broken=f"{bad[0].month} #{bad[0].seq}" if bad else "",
        )  # fmt: skip
        tx.session.merge(kept)
        tx.emit(ChainChecked, area=area, links=walked.links, entries=walked.entries, broken=len(bad))
    tx.session.flush()


def _look(read: Read, area: str, kept: Checked | None) -> Proof:
    if kept is None:
        walked = chain.walk(read, area)
        return Proof(area, None, 0, 0, walked.links, walked.entries, walked.broken)
    walked = chain.walk(read, area, after=kept.link, end=(kept.month, kept.seq, kept.head))
    broken = list(walked.broken)
    if kept.broken:
        month, _mark, seq = kept.broken.partition(" #")
        broken.insert(0, Broken(area, month, int(seq or 0), "its entries are not the ones that were written"))
    stands = select(col(Link.hash)).where(
        col(Link.area) == area, col(Link.month) == kept.month, col(Link.seq) == kept.seq
    )
    if kept.seq and read.session.execute(stands).scalar() != kept.head:
        broken.append(Broken(area, kept.month, kept.seq, "is not what it was when it was checked"))
    late = (
        select(col(Posting.id))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Posting.id) > kept.posting, col(Txn.area) == area, col(Txn.link) <= kept.link)
    )
    if read.session.execute(late.limit(1)).first():
        broken.append(Broken(area, kept.month, kept.seq, "an entry was added to a link that was closed"))
    return Proof(area, kept.at, kept.links, kept.entries, walked.links, walked.entries, tuple(broken))
