"""One delivery's way: claimed with a lease, settled by the channel's answer, raised by receipts that come later.

When a worker dies between claim and answer, the lease runs out and the next worker sends the row again under the same
idempotency key. Whatever comes late, twice or out of order never moves a row back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, literal, or_, select
from sqlmodel import col

from channels.base import Accepted, Address, AddressGone, Dead, Delivery, Message, Outcome, Receipt, Retry
from hub import audience, backoff, charges, digest, outbox, preferences, quota, reach
from hub.audience import ChannelBinding
from hub.db import Read, Tx
from hub.outbox import FORWARD, OPEN, QUIET, Fanout, OrphanReceipt, Outbox, held, insert_new, message_of, recall_row
from hub.preferences import Quiet
from hub.quota import Limits, Purse
from hub.types import UtcTime

LEASE_S = 60.0  # twice the longest batch; then another worker may take the row
ATTEMPTS_MAX = 8  # 5 s x 3^n: about nine hours, and never past the notice's expiry
EXPRESS, ORDINARY = (4, 3), (2, 1)  # ranks: emergency and urgent go in a lane of their own
EVERY_RANK = (*EXPRESS, *ORDINARY)
ROUNDS_MAX = 20  # so many messages that are over are passed over by one claim; the rest with the next
LATE = "it ran out before it could be sent"
ORPHAN_RECEIPT_HOURS = 1  # a receipt may overtake the answer that names its message; never by more than this

T = TypeVar("T", Outbox, Fanout, ChannelBinding)


@dataclass(frozen=True)
class _Queue:
    """An order of rows, asked for from its head, and from behind a fan-out (`at`, `fanout`) of which nothing may leave.

    Built once: an idle worker asks every few seconds, and making the question costs more than the answer.
    """

    by: Any  # the moment from which on a row is due
    rules: tuple[ColumnElement[bool], ...]
    head: Select[Outbox]
    # Two questions, each a place in the index: with an OR or a pair, SQLite walks through all rows of the fan-out.
    beside: Select[Outbox]
    later: Select[Outbox]

    @classmethod
    def of(cls, by: Any, *rules: ColumnElement[bool]) -> _Queue:
        fanout, at, due = col(Outbox.fanout), bindparam("at", type_=UtcTime), by <= bindparam("now")
        mine = (col(Outbox.channel) == bindparam("channel"), col(Outbox.rank) == bindparam("rank"), *rules)

        def asked(*place: ColumnElement[bool]) -> Select[Outbox]:
            return (
                select(Outbox)
                .where(*mine, *place)
                .order_by(by, fanout)
                .limit(bindparam("most"))
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )

        beside = asked(by == at, fanout > bindparam("fanout"))
        return cls(by, (*rules, due), asked(due), beside, asked(by > at, due))

    def page(self, tx: Tx, given: dict[str, Any], most: int, behind: Outbox | None) -> list[Outbox]:
        if behind is None:
            return list(tx.session.execute(self.head, {**given, "most": most}).scalars())
        given = {**given, "at": getattr(behind, self.by.key), "fanout": behind.fanout}
        found = list(tx.session.execute(self.beside, {**given, "most": most}).scalars())
        if len(found) < most:
            found += tx.session.execute(self.later, {**given, "most": most - len(found)}).scalars()
        return found

    def waits(self, ranks: str) -> ColumnElement[bool]:
        mine = (col(Outbox.channel) == bindparam("channel"), col(Outbox.rank).in_(bindparam(ranks, expanding=True)))
        return select(col(Outbox.id)).where(*mine, *self.rules).exists()


_LAPSED = _Queue.of(col(Outbox.lease_until), col(Outbox.state) == "claimed")  # their worker died
_FRESH = _Queue.of(col(Outbox.not_before), col(Outbox.state) == "planned")
# Counted already: no quota holds them back. By a small index of their own: the state is hidden from the large one, in
# which SQLite would look at all that is planned.
_TRIED = _Queue.of(
    col(Outbox.not_before), func.coalesce(col(Outbox.state), "") == "planned", col(Outbox.counted_day).is_not(None)
)
_LOOK = select(literal(1)).where(or_(_LAPSED.waits("ranks"), _TRIED.waits("ranks"), _FRESH.waits("fresh")))


def _free(_message: Message) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in this worker's hands until the lease ends."""

    delivery: Delivery
    purpose: str
    lease: str
    attempts: int
    binding: str
    untried: bool = True  # False: an earlier try has no answer, so nobody knows whether that one left


def due(read: Read, channel: str, *, ranks: Sequence[int] = EVERY_RANK, limits: Limits = quota.NONE) -> bool:
    """A look without a lock, so that an idle worker never takes the writer's turn."""
    purse = quota.purse(read, channel, limits)
    fresh = [rank for rank in ranks if purse.may(rank)]
    given = {"channel": channel, "ranks": ranks, "fresh": fresh, "now": read.now()}
    return read.session.execute(_LOOK, given).first() is not None


def claim(
    tx: Tx,
    channel: str,
    limit: int,
    lease_s: float = LEASE_S,
    *,
    ranks: Sequence[int] = EVERY_RANK,
    limits: Limits = quota.NONE,
    price: Callable[[Message], int] = _free,
    curfew: Quiet | None = None,
    heeds_nights: bool = True,
) -> list[Claimed]:
    """Take what is due, the most urgent first. Nobody else gets these rows until the lease is over.

    What the day's quota does not allow stays where it is; `price` says what one message will be billed, in fen. A
    worker that was away until the evening, or a try that failed, may come here in somebody's night (`curfew`: of
    whoever has chosen none): that is asked once more, so that nothing leaves in it.
    """
    purse = quota.locked_purse(tx, channel, limits)
    rows, fanouts = _picked(tx, channel, limit, ranks, purse)
    lease, until = tx.new_id(), tx.now() + timedelta(seconds=lease_s)
    bindings = _by_id(tx, ChannelBinding, {row.binding for row in rows})
    messages = {place: message_of(fanouts[place[0]], place[1]) for place in {(row.fanout, row.lang) for row in rows}}
    rows = _awake(tx, rows, messages, curfew) if heeds_nights else rows
    prices = {place: price(message) for place, message in messages.items()} if limits.fen is not None else {}
    read_already, claimed = _read_already(tx, rows), list[Claimed]()
    empty = digest.empty(tx, [row.id for row in rows if digest.is_one(row.key) and row.attempts == 0])
    counted, fen = 0, 0
    for row in rows:
        binding, cost = bindings[row.binding], prices.get((row.fanout, row.lang), 0)
        if row.purpose == "send" and (row.notice, row.revision, row.resident) in read_already:
            _move(tx, row, "cancelled", "seen on another screen already")
        elif row.id in empty:
            _move(tx, row, "cancelled", "every notice in it is over")
        elif binding.state != "active":
            _move(tx, row, "unreachable", "the address is gone")
        elif row.counted_day is None and not purse.take(row.rank, cost):
            continue
        else:
            untried = row.counted_day is None
            if untried:
                row.counted_day, row.counted_fen = quota.day_of(tx.now()), cost
                counted, fen = counted + 1, fen + cost
            row.state, row.lease, row.lease_until, row.attempts = "claimed", lease, until, row.attempts + 1
            tx.session.add(row)
            delivery = Delivery(row.id, row.key, messages[row.fanout, row.lang], Address(channel, binding.address))
            claimed.append(Claimed(delivery, row.purpose, lease, row.attempts, row.binding, untried))
    quota.count(tx, channel, counted, fen)
    tx.session.flush()
    return claimed


def settle(tx: Tx, batch: Sequence[Claimed], outcomes: Sequence[Outcome], attempts_max: int = ATTEMPTS_MAX) -> None:
    """Write down what the channel answered, unless another worker holds the lease by now."""
    rows = _by_id(tx, Outbox, {each.delivery.id for each in batch}, lock=True)
    proofs, taken = [], []
    back: list[tuple[date, int, int]] = []  # what the day's quota gets back
    for each, outcome in zip(batch, outcomes, strict=True):
        row = rows[each.delivery.id]
        if row.state == "cancelled" and isinstance(outcome, Accepted) and row.lease == each.lease:
            # It had left before the withdrawal came: the same person must hear that it no longer holds.
            row.provider_id, row.why = outcome.provider_id or None, "left before it was withdrawn"
            taken.append((row.notice, row.channel, outcome))
            back += _uncounted(row, each, outcome)
            insert_new(tx, [recall_row(tx, row)])
            continue
        if row.state != "claimed" or row.lease != each.lease:
            continue
        row.lease = row.lease_until = None
        back += _uncounted(row, each, outcome)
        match outcome:
            case Accepted(provider_id=provider_id):
                row.provider_id = provider_id or None
                _move(tx, row, "accepted", "")
                taken.append((row.notice, row.channel, outcome))
                if each.purpose == "send":
                    proofs += _proofs(tx, row, "accepted", outcome.at or tx.now(), "provider's answer")
            case Retry(after_s=after_s, why=why):
                _try_again(tx, row, after_s, why, attempts_max)
            case Dead(why=why):
                _move(tx, row, "dead", why)
            case AddressGone(why=why):
                _move(tx, row, "unreachable", why)
                audience.unbind(tx, each.binding)
    tx.session.flush()
    reach.record_all(tx, proofs)
    charges.charge(tx, taken)
    if batch:
        quota.give_back(tx, batch[0].delivery.address.kind, back)
    _match_orphans(tx, channel=batch[0].delivery.address.kind if batch else "", rows=list(rows.values()))


def receipt(tx: Tx, channel: str, said: Receipt) -> bool:
    """Proof that came back. Late, doubled and unordered receipts never move a delivery back."""
    row = _of_receipt(tx, channel, said)
    if row is None:
        if said.provider_id:
            tx.session.add(
                OrphanReceipt(
                    channel=channel, provider_id=said.provider_id, level=said.level, at=said.at,
                    evidence=said.evidence[:80], why=said.why[:200],
                    until=tx.now() + timedelta(hours=ORPHAN_RECEIPT_HOURS),
                )
            )  # fmt: skip
        return False
    _apply(tx, row, said.level, said.at, said.evidence, said.why)
    return True


def prune(tx: Tx) -> None:
    tx.session.execute(delete(OrphanReceipt).where(col(OrphanReceipt.until) < tx.now()))


def held_by_quota(read: Read, channel: str, limits: Limits) -> int:
    """How many are due and wait only for the next day's quota."""
    purse = quota.purse(read, channel, limits)
    ranks = [rank for rank in EVERY_RANK if not purse.may(rank)]
    return _count_due(read, channel, ranks) if ranks else 0


def waiting(read: Read, channel: str) -> int:
    """How many have not left and would leave now."""
    return _count_due(read, channel, EVERY_RANK)


def _count_due(read: Read, channel: str, ranks: Sequence[int]) -> int:
    rows = select(func.count()).where(
        col(Outbox.channel) == channel, col(Outbox.rank).in_(ranks), col(Outbox.counted_day).is_(None),
        col(Outbox.state) == "planned", col(Outbox.not_before) <= read.now(),
        col(Outbox.fanout).not_in(select(col(Fanout.id)).where(col(Fanout.sweeping))),
    )  # fmt: skip
    return int(read.session.execute(rows).scalar_one())


def _awake(
    tx: Tx, rows: list[Outbox], messages: Mapping[tuple[str, str], Message], curfew: Quiet | None
) -> list[Outbox]:
    """Those that may leave at this hour. The others wait for the morning, or leave it to the screens."""
    said = {row.id: messages[row.fanout, row.lang] for row in rows}
    asking = [row for row in rows if preferences.asks(said[row.id].priority, said[row.id].kind)]
    standings = preferences.standings(tx, {row.resident for row in asking}, curfew)
    asleep = set[str]()
    for row in asking:
        at = standings[row.resident].sendable_at(tx.now()) if row.resident in standings else tx.now()
        changes = held(at, tx.now(), row.expires)
        if changes:
            _move(tx, row, changes.get("state", "planned"), QUIET)
            row.not_before, row.lease, row.lease_until = changes.get("not_before", row.not_before), None, None
            asleep.add(row.id)
    return [row for row in rows if row.id not in asleep]


def _picked(
    tx: Tx, channel: str, most: int, ranks: Sequence[int], purse: Purse
) -> tuple[list[Outbox], dict[str, Fanout]]:
    """Rows in the order in which they leave, with their fan-outs; a page from an index for each rank, however many
    millions wait."""
    found, known = list[Outbox](), dict[str, Fanout]()
    for rank in sorted(ranks, reverse=True):
        for queue in (_LAPSED, _TRIED, _FRESH) if purse.may(rank) else (_LAPSED, _TRIED):
            held = {row.id for row in found}
            page = _living(tx, queue, {"channel": channel, "rank": rank, "now": tx.now()}, most - len(found), known)
            found += [row for row in page if row.id not in held]
            if len(found) >= most:
                return found[:most], known
    return found, known


def _living(tx: Tx, queue: _Queue, given: dict[str, Any], most: int, known: dict[str, Fanout]) -> list[Outbox]:
    """A page of a queue without what may not leave any more; whose words they carry is put into `known`.

    A million deliveries of one message that is over have one moment and one fan-out: the next page begins behind them.
    """
    living, behind = list[Outbox](), None
    for _round in range(ROUNDS_MAX):
        rows = queue.page(tx, given, most, behind)
        over = _over(tx, rows, known)
        if not over:
            living += rows
            break
        last = max(place for place, row in enumerate(rows) if row.id in over)
        living += [row for row in rows[:last] if row.id not in over]
        behind = rows[last]
        if len(living) >= most:
            break
    return living[:most]


def _over(tx: Tx, rows: Sequence[Outbox], known: dict[str, Fanout]) -> set[str]:
    """Which of these may not leave. sweep.py closes them page by page; what it left over is closed here."""
    # Whoever ends a fan-out holds it until the commit, and nothing of it is taken meanwhile; nor does that one wait for
    # what is taken here of others.
    looked = (
        select(Fanout)
        .where(col(Fanout.id).in_({row.fanout for row in rows}))
        .with_for_update(read=True, key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    known |= {each.id: each for each in tx.session.execute(looked).scalars()} if rows else {}
    over = set[str]()
    for row in rows:
        fanout, late = known.get(row.fanout), row.expires is not None and row.expires <= tx.now()
        if fanout is not None and row.purpose == "send" and late and fanout.ended_at is None:
            outbox.run_out(tx, fanout, LATE)
        if fanout is None or (row.purpose == "send" and fanout.ended_at is not None) or late:
            over.add(row.id)
        if row.purpose == "recall" and late:
            _move(tx, row, "expired", LATE)
        elif row.id in over and fanout is not None and not fanout.sweeping:
            _close(tx, row, fanout)
    return over


def _close(tx: Tx, row: Outbox, fanout: Fanout) -> None:
    """It came back after its fan-out was swept: a worker had it, or somebody had it sent again."""
    if fanout.recalls and row.counted_day is not None:
        insert_new(tx, [recall_row(tx, row)])
    _move(tx, row, fanout.ends_as, fanout.ended)


def _uncounted(row: Outbox, each: Claimed, outcome: Outcome) -> list[tuple[date, int, int]]:
    """What goes back into the day's quota: the whole message, or what it was cheaper. An unknown try stays counted."""
    if row.counted_day is None:
        return []
    if isinstance(outcome, Accepted):
        back = (row.counted_day, 0, row.counted_fen - (outcome.cost_fen or row.counted_fen))
    elif each.untried and quota.stayed(outcome):
        back = (row.counted_day, 1, row.counted_fen)
    else:
        return []
    row.counted_day, row.counted_fen = None, 0
    return [back]


def _try_again(tx: Tx, row: Outbox, after_s: float | None, why: str, attempts_max: int) -> None:
    if row.attempts >= attempts_max:
        _move(tx, row, "dead", f"given up after {row.attempts} tries: {why}")
        return
    at = tx.now() + timedelta(seconds=backoff.wait_s(row.attempts, tx.rng, after_s))
    if row.expires is not None and at >= row.expires:
        _move(tx, row, "expired", f"it would run out before the next try: {why}")
        return
    _move(tx, row, "planned", why)
    row.not_before = at


def _of_receipt(tx: Tx, channel: str, said: Receipt) -> Outbox | None:
    mine = select(Outbox).where(col(Outbox.channel) == channel).with_for_update()
    mine = mine.execution_options(populate_existing=True)
    if said.provider_id:
        return tx.session.execute(mine.where(col(Outbox.provider_id) == said.provider_id)).scalars().first()
    binding = audience.find(tx, channel, said.address.value) if said.address else None
    if binding is None:
        return None
    theirs = mine.where(col(Outbox.binding) == binding.id)
    if said.level == "acknowledged":
        # An answer without the message it is for: the youngest that can have arrived.
        sent = theirs.where(col(Outbox.purpose) == "send", col(Outbox.state).in_(FORWARD))
        return tx.session.execute(sent.order_by(col(Outbox.id).desc()).limit(1)).scalars().first()
    last = theirs.where(col(Outbox.state) == "accepted")
    return tx.session.execute(last.order_by(col(Outbox.moved_at).desc()).limit(1)).scalars().first()


def _apply(tx: Tx, row: Outbox, level: str, at: datetime, evidence: str, why: str) -> None:
    if level == "failed":
        if row.state in ("accepted", *OPEN):
            _move(tx, row, "unreachable", why or evidence)
        return
    if row.state in FORWARD and reach.RANK[level] <= reach.RANK[row.state]:
        return
    if row.state not in ("cancelled",):
        _move(tx, row, level, "")
        row.lease = row.lease_until = None
    tx.session.flush()
    if row.purpose == "send":
        reach.record_all(tx, _proofs(tx, row, level, at, evidence))


def _match_orphans(tx: Tx, channel: str, rows: Sequence[Outbox]) -> None:
    known = {row.provider_id: row for row in rows if row.provider_id}
    waiting = tx.session.execute(
        select(OrphanReceipt).where(col(OrphanReceipt.provider_id).in_(known), col(OrphanReceipt.channel) == channel)
    )
    for orphan in waiting.scalars().all():
        _apply(tx, known[orphan.provider_id], orphan.level, orphan.at, orphan.evidence, orphan.why)
        tx.session.delete(orphan)


def _read_already(tx: Tx, rows: Sequence[Outbox]) -> set[tuple[str, int, str]]:
    """(notice, revision, resident) of those who have seen it on whatever screen."""
    groups: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        groups.setdefault((row.notice, row.revision), []).append(row.resident)
    return {
        (notice, revision, resident)
        for (notice, revision), residents in groups.items()
        for resident in reach.has_seen(tx, notice, revision, residents)
    }


def _by_id(tx: Tx, table: type[T], ids: Collection[str], *, lock: bool = False) -> dict[str, T]:
    """One question for a whole batch, fresh from the store."""
    query = select(table).where(col(table.id).in_(ids)).execution_options(populate_existing=True)
    found = tx.session.execute(query.with_for_update() if lock else query).scalars()
    return {row.id: row for row in found}


def _move(tx: Tx, row: Outbox, state: str, why: str) -> None:
    row.state, row.why, row.moved_at = state, why[:200], tx.now()
    tx.session.add(row)


def _proofs(tx: Tx, row: Outbox, level: str, at: datetime, evidence: str) -> list[reach.Proof]:
    """Of the notice itself, or of each that stands in a daily overview."""
    carried = [(row.notice, row.revision)]
    if digest.is_one(row.key):
        carried = [(each.notice, each.revision) for each in digest.inside(tx, [row.id])[row.id]]
    viewer = reach.resident_viewer(row.resident)
    return [reach.Proof(notice, rev, viewer, row.channel, level, at, evidence) for notice, rev in carried]
