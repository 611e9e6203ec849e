"""The mall (积分商城): a reward is set aside at the price of the moment, fetched with a code, or given back.

Setting aside holds the points, encumbers the money and takes the piece or the place, all in one transaction; whoever
comes a moment later for the last one is told so. A code of six digits is good once, at the counters of one community,
for seven days; then everything goes back by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points import accounts, beneficiary, budget, catalogue, holds, keepers, ledger, rules, shelf, tidings
from hub.civic.points.beneficiary import Owner
from hub.civic.points.money_events import RedemptionMoved
from hub.civic.points.reward_models import Redemption, Reward, Slot
from hub.civic.points.why import Why
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed, NotFound, NotSigned, Refused
from hub.i18n import N_, _

KEPT_FOR = timedelta(days=7)
DUE_AT_ONCE = 200
CODE_TRIES = 20  # a community has a few dozen codes out; twenty draws that all meet one mean a broken die


class SoldOut(Conflict):
    slug = "sold-out"

    def __init__(self) -> None:
        super().__init__(_("The last one has just been taken"))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks at the counter for somebody without a phone, and what proves that the owner agreed."""

    by: Subject
    witness: str | None = None  # a second member of staff; None when the owner gave the PIN


def redeem(
    tx: Tx, owner: Owner, ident: str, once: str, *, slot: str | None = None, asker: str | None = None,
    asked: Asked | None = None,
) -> Redemption:  # fmt: skip
    """Set one aside for this owner. The same `once` again gives the same redemption."""
    accounts.alone(tx)
    known = tx.session.get(Redemption, once)
    if known is not None:
        if known.account != ledger.account_id(*owner.key) or known.reward != ident:
            raise Conflict(_("This number stands for another redemption"))
        return known
    reward = shelf.one(tx, owner.area, ident)
    account = ledger.open_account(tx, owner)
    _may_have(tx, reward, owner, account)
    _take(tx, reward, slot)
    year, until = budget.year_of(tx.now(), owner.tz), _until(tx, slot)
    by = asked.by.id if asked else None
    if reward.price:
        why = Why(
            "hold", rule=f"reward@{reward.id}", proposer=asker, verifier=by, third=asked.witness if asked else None
        )
        holds.hold(tx, account, reward.price, f"redeem:{once}", why, until)
    if reward.fen:
        budget.encumber(tx, reward.area, year, reward.fen, once)
    digits = _digits(tx, reward.area)
    made = Redemption(
        id=once, area=reward.area, reward=reward.id, slot=slot, account=account, resident=asker, price=reward.price,
        fen=reward.fen, year=year, state="held", code=digits, mark=_mark(tx, digits), at=tx.now(), until=until,
        entered_by=by, witness=asked.witness if asked else None,
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    _told(tx, made)
    return made


def pick_up(tx: Tx, area: str, digits: str, by: Subject) -> Redemption:
    """Hand over against the code: good once, in this community only."""
    found = by_code(tx, area, digits)
    if found is None:
        raise NotFound(_("This code is not good here: used already, given back, or of another community"))
    return hand_over(tx, found, by)


def hand_over(tx: Tx, found: Redemption, by: Subject, *, offline: str | None = None, tell: bool = True) -> Redemption:
    """Points to the sink, money spent. Only the counter that took it along offline may hand it over meanwhile."""
    if found.offline is not None and found.offline != offline:
        raise Conflict(
            _("A counter without a line has taken this along; hand it over there, or bring that counter back")
        )
    _not_for_own_household(tx, found, by)
    if not _settle(tx, found, "picked", by.id, tell=tell):
        raise Conflict(_("This has been settled already"))
    place = directory.area(tx, found.area)
    if found.price:
        sink = ledger.house_account(tx, "redeem", found.area, place.tz)
        holds.post(tx, f"redeem:{found.id}", sink, Why("redeem", rule=f"reward@{found.reward}", approver=by.id))
    if found.fen:
        budget.spend(tx, found.area, found.year, found.fen, found.id)
    return found


def give_back(tx: Tx, found: Redemption, state: str, by: str) -> bool:
    """Cancelled, or not fetched in time: points, money and the piece return. False when it was settled before."""
    if found.offline is not None:
        raise Conflict(
            _("A counter without a line has taken this along; hand it over there, or bring that counter back")
        )
    if not _settle(tx, found, state, by):
        return False
    if found.price:
        holds.void(tx, f"redeem:{found.id}", Why("void", rule=f"reward@{found.reward}", approver=by))
    if found.fen:
        budget.release(tx, found.area, found.year, found.fen, found.id)
    tx.change(
        update(Reward)
        .where(col(Reward.id) == found.reward, col(Reward.stock).is_not(None))
        .values(stock=col(Reward.stock) + 1)
    )
    if found.slot:
        tx.change(update(Slot).where(col(Slot.id) == found.slot).values(taken=col(Slot.taken) - 1))
    return True


def return_unclaimed(tx: Tx) -> int:
    """Whatever nobody fetched in its days, but for what a counter without a line has in its hands."""
    query = (
        select(Redemption)
        .where(col(Redemption.state) == "held", col(Redemption.until) <= tx.now(), col(Redemption.offline).is_(None))
        .order_by(col(Redemption.until))
        .limit(DUE_AT_ONCE)
    )
    return sum(give_back(tx, each, "unclaimed", "hub") for each in tx.session.execute(query).scalars().all())


def of_accounts(read: Read, idents: list[str], limit: int = 20) -> list[tuple[Redemption, Reward]]:
    query = (
        select(Redemption, Reward)
        .join(Reward, col(Reward.id) == col(Redemption.reward))
        .where(col(Redemption.account).in_(idents))
        .order_by(col(Redemption.at).desc(), col(Redemption.id).desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in read.session.execute(query)]


def by_code(read: Read, area: str, digits: str) -> Redemption | None:
    query = select(Redemption).where(
        col(Redemption.area) == area,
        col(Redemption.mark) == _mark(read, digits.strip()),
        col(Redemption.state) == "held",
    )
    return read.session.execute(query).scalar_one_or_none()


def _may_have(tx: Tx, reward: Reward, owner: Owner, account: str) -> None:
    if reward.state != "on":
        raise Conflict(_("This is not on the shelf now"))
    if owner.kind == "organisation" and not reward.organisations:
        raise NotAllowed(_("An organisation spends its points on its own activities or gives them to the pool"))
    if reward.stars:
        earned = accounts.held(tx, [account])[account].earned
        levels = catalogue.on(tx.now().date()).levels
        reached = rules.level(earned, levels)
        if reached is None or levels.index(reached) + 1 < reward.stars:
            raise NotAllowed(_("This takes a level of {stars} stars").format(stars=reward.stars))


def _take(tx: Tx, reward: Reward, slot: str | None) -> None:
    """One piece, one place: by a change that meets no row when there is none left."""
    if reward.stock is not None:
        piece = update(Reward).where(col(Reward.id) == reward.id, col(Reward.stock) > 0)
        if not tx.change(piece.values(stock=col(Reward.stock) - 1)):
            raise SoldOut
    has_slots = tx.session.execute(select(col(Slot.id)).where(col(Slot.reward) == reward.id).limit(1)).first()
    if has_slots and slot is None:
        raise Refused(_("Choose a time"))
    if slot is not None:
        place = update(Slot).where(
            col(Slot.id) == slot, col(Slot.reward) == reward.id, col(Slot.starts) > tx.now(),
            col(Slot.taken) < col(Slot.places),
        )  # fmt: skip
        if not tx.change(place.values(taken=col(Slot.taken) + 1)):
            raise SoldOut


def _until(tx: Tx, slot: str | None) -> datetime:
    """Seven days to fetch it; a service is had at its own time, and shown for until the day after."""
    found = tx.session.get(Slot, slot) if slot else None
    return found.starts + timedelta(days=1) if found else tx.now() + KEPT_FOR


def _settle(tx: Tx, found: Redemption, state: str, by: str, *, tell: bool = True) -> bool:
    """At most one settles it, whoever else tries at the same moment."""
    accounts.alone(tx)
    done = tx.change(
        update(Redemption)
        .where(col(Redemption.id) == found.id, col(Redemption.state) == "held")
        .values(state=state, settled_at=tx.now(), settled_by=by)
    )
    if done:
        tx.session.refresh(found)
        _told(tx, found, tell=tell)
    return bool(done)


def _told(tx: Tx, found: Redemption, *, tell: bool = True) -> None:
    tx.emit(RedemptionMoved, redemption=found.id, area=found.area, state=found.state)
    tx.touch("points.money", found.area)
    if tell and found.state != "held":
        _tell(tx, found)


def _tell(tx: Tx, found: Redemption) -> None:
    """What somebody else did with these points is said at home; who did not want it says so within seven days."""
    kind, _dash, owner = found.account.partition("-")
    people = tidings.hearers(tx, kind, owner, tx.now().date())
    if found.settled_by in people:
        return
    reward, picked = tx.session.get_one(Reward, found.reward), found.state == "picked"
    sign, said = (
        "-" if picked else "+",
        (
            N_("{reward} was handed over. Was it not you? Say so in the points mall within seven days.")
            if picked
            else N_("{reward} was not fetched; its points are yours again.")
        ),
    )
    tidings.tell(
        tx, people,
        tidings.about(
            tx, kind, owner, lambda: _("Your points have changed: {points}").format(points=sign + str(found.price))
        ),
        lambda: _(said).format(reward=shelf.name(reward)),
    )  # fmt: skip


def _not_for_own_household(tx: Tx, found: Redemption, by: Subject) -> None:
    kind, _dash, owner = found.account.partition("-")
    if by.kind != "staff" or kind not in rules.PERSONAL:
        return
    homes, persons = keepers.concerned(tx, kind, owner, beneficiary.one(tx, kind, owner).household or "")
    if by.household in homes or by.person in persons:
        raise NotSigned(
            _("You may not hand over to yourself or your own household"), f"redemption:{found.id}", "hand-over",
            "own" if by.person in persons else "household", by.area,
        )  # fmt: skip


def _digits(tx: Tx, area: str) -> str:
    for _try in range(CODE_TRIES):
        digits = f"{int.from_bytes(tx.rng.token(8), 'big') % 1_000_000:06}"
        if by_code(tx, area, digits) is None:
            return digits
    raise Conflict(_("No free pick-up code was found; try again"))


def _mark(read: Read, digits: str) -> str:
    return read.seal.mark(digits, "points.code")
