"""The shelf of the mall: what a community offers, how many there are, and when a service can be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col

from hub.civic.points.reward_models import Reward, Slot
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import N_, _, pick

KINDS = {
    "service": N_("Services"), "goods": N_("Goods"), "honour": N_("Honours"), "policy": N_("Policy benefits"),
}  # fmt: skip
PRICE_MAX, FEN_MAX, STOCK_MAX, STARS_MAX = 100_000, 10_000_000, 100_000, 5  # more is a typing mistake


@dataclass(frozen=True, slots=True)
class New:
    """A reward as an office puts it on the shelf."""

    kind: str
    zh: str
    en: str
    price: int
    fen: int = 0
    stock: int | None = None
    stars: int = 0
    organisations: bool = False


def add(tx: Tx, area: str, new: New) -> Reward:
    if new.kind not in KINDS:
        raise Refused(_("A reward is a service, goods, an honour or a policy benefit"))
    if not new.zh.strip() or not 0 <= new.price <= PRICE_MAX or not 0 <= new.fen <= FEN_MAX:
        raise Refused(_("Give a name, a price in points and what one costs"))
    if new.kind == "honour" and new.fen:
        raise Refused(_("An honour costs no money"))
    if (new.stock is not None and not 0 <= new.stock <= STOCK_MAX) or not 0 <= new.stars <= STARS_MAX:
        raise Refused(_("Give the stock and the stars as whole numbers"))
    made = Reward(
        id=tx.new_id(), area=area, kind=new.kind, zh=new.zh.strip()[:64], en=(new.en.strip() or new.zh.strip())[:96],
        price=new.price, fen=new.fen, stock=new.stock, stars=new.stars, organisations=new.organisations, at=tx.now(),
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    return made


def restock(tx: Tx, area: str, ident: str, pieces: int) -> None:
    """More pieces, or fewer: as many as the shelf really holds less what is set aside."""
    if abs(pieces) > STOCK_MAX:
        raise Refused(_("Give the stock as a whole number"))
    changed = tx.change(
        update(Reward)
        .where(
            col(Reward.id) == ident, col(Reward.area) == area,
            col(Reward.stock).is_not(None), col(Reward.stock) + pieces >= 0,
        )
        .values(stock=col(Reward.stock) + pieces)
    )  # fmt: skip
    if not changed:
        raise Conflict(_("The shelf has not that many"))


def switch(tx: Tx, area: str, ident: str, *, on: bool) -> None:
    """Off the shelf, or on again. What is set aside stays so."""
    found = one(tx, area, ident)
    found.state = "on" if on else "off"


def offer_slot(tx: Tx, area: str, ident: str, starts: datetime, places: int) -> Slot:
    if starts <= tx.now() or not 0 < places <= STOCK_MAX:
        raise Refused(_("Give a time to come and the number of places"))
    made = Slot(id=tx.new_id(), reward=one(tx, area, ident).id, starts=starts, places=places)
    tx.session.add(made)
    tx.session.flush()
    return made


def rewards(read: Read, area: str, *, everything: bool = False, teams: bool = False) -> list[Reward]:
    query = select(Reward).where(col(Reward.area) == area).order_by(col(Reward.kind), col(Reward.price), col(Reward.id))
    if teams:
        query = query.where(col(Reward.organisations).is_(True))
    if not everything:
        query = query.where(col(Reward.state) == "on")
    return list(read.session.execute(query).scalars())


def slots(read: Read, area: str) -> dict[str, list[Slot]]:
    """Times to come that have a place left, by reward."""
    query = (
        select(Slot)
        .join(Reward, col(Reward.id) == col(Slot.reward))
        .where(col(Reward.area) == area, col(Slot.starts) > read.now(), col(Slot.taken) < col(Slot.places))
        .order_by(col(Slot.starts))
    )
    found: dict[str, list[Slot]] = {}
    for each in read.session.execute(query).scalars():
        found.setdefault(each.reward, []).append(each)
    return found


def one(read: Read, area: str, ident: str) -> Reward:
    found = read.session.get(Reward, ident)
    if found is None or found.area != area:
        raise NotFound(_("There is no such reward here"))
    return found


def name(reward: Reward) -> str:
    return pick(reward.zh, reward.en)
