"""The counter (兑换柜台): for whoever has no phone. Hours without a line: away.py.

The owner proves the yes by the card and four digits, or a second member of staff stands beside. Whoever finds something
gone that they did not ask for says so within seven days.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import col

from hub import directory, login
from hub.access import Subject
from hub.civic.points import beneficiary, holds, keepers, ledger, rewards, rules, tidings
from hub.civic.points.money_events import RedemptionMoved
from hub.civic.points.reward_models import Pin, Redemption, Reward
from hub.civic.points.rewards import Asked
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.i18n import _

PIN_DIGITS = 4
PIN_TRIES_MAX = 5  # then the desk sets a new one, with the card on the table
DISPUTE_FOR = timedelta(days=7)
ANSWER_MAX = 160  # as long as the reason of a reversal
WAITING_MAX = 200  # of the list on the counter's page


def set_pin(tx: Tx, resident: str, digits: str) -> None:
    """At the counter, with the card shown, or by the resident at home."""
    text = digits.strip()
    if not (len(text) == PIN_DIGITS and text.isascii() and text.isdigit()) or len(set(text)) == 1:
        raise Refused(_("A PIN is four digits, not all the same"))
    found = tx.session.get(Pin, resident)
    phc = login.hashed(tx.rng, f"{resident}:{text}")
    if found is None:
        tx.session.add(Pin(resident=directory.resident(tx, resident).id, phc=phc, at=tx.now()))
    else:
        found.phc, found.tries, found.at = phc, 0, tx.now()
    tx.session.flush()


def pin_of(read: Read, resident: str) -> str | None:
    """What `login.proves` compares with; None when there is no PIN, or it was tried too often."""
    found = read.session.get(Pin, resident)
    return found.phc if found is not None and found.tries < PIN_TRIES_MAX else None


def settle_pin(tx: Tx, resident: str, proved: bool) -> None:
    """Count a wrong try; the count outlives the refusal, so the caller commits before it refuses."""
    tries = 0 if proved else col(Pin.tries) + 1
    tx.change(update(Pin).where(col(Pin.resident) == resident).values(tries=tries))


def by_card(read: Read, card: str, area: str) -> Resident:
    """Somebody at this counter. A card of another community is served there."""
    found = directory.resident_by_card(read, card)
    if found is None or found.area != area:
        raise NotFound(_("No resident of this community has this card"))
    return found


def redeem_here(
    tx: Tx, resident: Resident, reward: str, once: str, asked: Asked, slot: str | None = None
) -> Redemption:
    """Set aside and hand over in one go: card on the table, PIN or witness, goods across the counter."""
    if asked.witness is not None and asked.witness == asked.by.id:
        raise NotAllowed(_("The witness is somebody else"))
    owner = beneficiary.one(tx, "person", resident.id)
    known = tx.session.get(Redemption, once)
    made = rewards.redeem(tx, owner, reward, once, slot=slot, asker=resident.id, asked=asked)
    if known is not None and known.state == "picked":
        return known
    return rewards.hand_over(tx, made, asked.by)


def dispute(tx: Tx, who: Subject, ident: str, said: str) -> Redemption:
    """“That was not me”: within seven days, by the owner or somebody of the household."""
    found = tx.session.get(Redemption, ident)
    if found is None or not may_answer(tx, who, found.account):
        raise NotFound(_("There is no such redemption"))
    if not said.strip():
        raise Refused(_("Say what is wrong"))
    if tx.now() > (found.settled_at or found.at) + DISPUTE_FOR:
        raise Conflict(_("More than seven days have passed; ask at the community's desk"))
    if found.disputed_at is None:
        found.disputed_at, found.dispute = tx.now(), said.strip()[:200]
        tx.emit(RedemptionMoved, redemption=found.id, area=found.area, state="disputed")
        tx.touch("points.money", found.area)
    return found


def answer(tx: Tx, area: str, ident: str, by: Subject, words: str, *, upheld: bool = False) -> None:
    """Somebody who had no part in it looked into it, and its owner reads what they found. Upheld: the first of the two
    signatures under the reversal that gives the points back.
    """
    found = tx.session.get(Redemption, ident)
    if found is None or found.area != area or found.disputed_at is None:
        raise NotFound(_("There is no such redemption"))
    if by.id in (found.entered_by, found.witness, found.settled_by):
        raise NotAllowed(_("Somebody else looks into what you entered yourself"))
    if found.answered_at is not None:
        raise Conflict(_("This has been answered already"))
    if not words.strip():
        raise Refused(_("Say what was found; its owner reads it"))
    found.answered_at, found.answer = tx.now(), words.strip()[:ANSWER_MAX]
    spent = posted_as(tx, found.id)
    if upheld and spent is not None:
        ledger.reverse(tx, spent, found.answer, by)
    kind, _dash, owner = found.account.partition("-")
    tidings.tell(
        tx, tidings.hearers(tx, kind, owner, tx.now().date()),
        tidings.about(tx, kind, owner, lambda: _("What you disputed at the counter was looked into")),
        lambda: _("Answer: {words}").format(words=found.answer),
    )  # fmt: skip
    tx.emit(RedemptionMoved, redemption=found.id, area=found.area, state="upheld" if upheld else "answered")
    tx.touch("points.money", found.area)
    tx.touch("points.desk", found.area)


def posted_as(read: Read, redemption: str) -> str | None:
    """The movement by which a reward was paid for; None for one that cost no points."""
    held = holds.find(read, f"redeem:{redemption}")
    if held is None:
        return None
    known = ledger.receipts(read, [f"post:{held.txn}"])
    return next((receipt.txn for receipt in known.values()), None)


def bear_witness(tx: Tx, who: Subject, ident: str, *, there: bool) -> Redemption:
    """Whoever was named as standing beside says so themself; “I was not there” opens a dispute for others."""
    found = tx.session.get(Redemption, ident)
    if found is None or found.witness != who.id:
        raise NotFound(_("There is no such redemption"))
    said = "yes" if there else "no"
    if found.witness_said not in ("", said):
        raise Conflict(_("You have said otherwise already; tell a supervisor"))
    if found.witness_said == "":
        found.witness_said = said
        tx.emit(RedemptionMoved, redemption=found.id, area=found.area, state="witnessed" if there else "not-witnessed")
        if not there and found.disputed_at is None:
            found.disputed_at, found.dispute = tx.now(), _("The colleague named as witness says: I was not there")
        tx.touch("points.money", found.area)
    return found


def to_witness(read: Read, who: str) -> list[tuple[Redemption, Reward]]:
    """Hand-overs at which this member of staff was named as witness, and has not said whether it is so."""
    return _witnessed(read, col(Redemption.witness) == who, col(Redemption.witness_said) == "")


def unconfirmed(read: Read, area: str) -> list[tuple[Redemption, Reward]]:
    """Hand-overs on a colleague's word that the colleague has not given, or has denied: for the supervisors."""
    return _witnessed(
        read, col(Redemption.area) == area, col(Redemption.witness).is_not(None), col(Redemption.witness_said) != "yes"
    )


def _witnessed(read: Read, *rules_: ColumnElement[bool]) -> list[tuple[Redemption, Reward]]:
    query = (
        select(Redemption, Reward)
        .join(Reward, col(Reward.id) == col(Redemption.reward))
        .where(*rules_)
        .order_by(col(Redemption.at).desc())
        .limit(WAITING_MAX)
    )
    return [(row[0], row[1]) for row in read.session.execute(query)]


def waiting(read: Read, area: str, *, offline: str | None = None) -> list[tuple[Redemption, Reward]]:
    """What is set aside in a community, the oldest first; or what one counter has taken along."""
    query = (
        select(Redemption, Reward)
        .join(Reward, col(Reward.id) == col(Redemption.reward))
        .where(col(Redemption.area) == area, col(Redemption.state) == "held")
        .order_by(col(Redemption.at), col(Redemption.id))
        .limit(WAITING_MAX)
    )
    if offline is not None:
        query = query.where(col(Redemption.offline) == offline)
    return [(row[0], row[1]) for row in read.session.execute(query)]


def disputed(read: Read, area: str) -> list[tuple[Redemption, Reward]]:
    query = (
        select(Redemption, Reward)
        .join(Reward, col(Reward.id) == col(Redemption.reward))
        .where(
            col(Redemption.area) == area, col(Redemption.disputed_at).is_not(None),
            col(Redemption.answered_at).is_(None),
        )
        .order_by(col(Redemption.disputed_at))
    )  # fmt: skip
    return [(row[0], row[1]) for row in read.session.execute(query)]


def handed_over(read: Read, area: str, since_days: int = 30) -> dict[str, int]:
    """How many of each kind of reward were fetched: the mix, for the points office."""
    query = (
        select(col(Reward.kind), func.count())
        .join(Redemption, col(Redemption.reward) == col(Reward.id))
        .where(
            col(Redemption.area) == area, col(Redemption.state) == "picked",
            col(Redemption.settled_at) >= read.now() - timedelta(days=since_days),
        )
        .group_by(col(Reward.kind))
    )  # fmt: skip
    return {kind: int(count) for kind, count in read.session.execute(query)}


def may_answer(read: Read, who: Subject, account: str) -> bool:
    """Whether this resident may give back what was set aside for an account, or say that it was not them."""
    if account in own_accounts(who):
        return True
    kind, _dash, ident = account.partition("-")
    kept = keepers.acting(read, who, ident) if kind == "organisation" else None
    return kept is not None and kept.role == "keeper"


def own_accounts(who: Subject) -> list[str]:
    """The person's and the household's."""
    owned = (("person", who.person), ("household", who.household))
    return [f"{kind}-{ident}" for kind, ident in owned if ident and kind in rules.PERSONAL]
