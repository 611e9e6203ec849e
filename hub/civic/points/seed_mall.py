"""The demo's mall: the study's suggested prices on the shelf, a year's money, and some who have fetched something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub.access import Subject
from hub.civic.points import beneficiary, budget, duty, rewards, shelf
from hub.civic.points.models import Account
from hub.civic.points.shelf import New
from hub.db import Tx

SHELF = (
    New("goods", "抽纸", "Tissues", 60, fen=300, stock=200), New("goods", "牙膏", "Toothpaste", 80, fen=400, stock=120),
    New("goods", "大米5kg", "Rice, 5 kg", 500, fen=2_500, stock=40),
    New("goods", "食用油5L", "Cooking oil, 5 l", 1_000, fen=5_000, stock=20),
    New("service", "理发（志愿）", "Haircut (volunteers)", 80),
    New("service", "家电清洗（志愿）", "Appliance cleaning (volunteers)", 150),
    New("service", "法律咨询", "Legal advice", 100),
    New("service", "活动场地半天", "A room for half a day", 100, organisations=True),
    New("policy", "体检套餐优先预约", "First choice of check-up dates", 100),
    New("policy", "春晚前排座位", "A front seat at the New Year's show", 50, stock=30),
    New("honour", "荣誉证书", "Certificate of honour", 0, stars=1),
)  # fmt: skip
FETCHED = ("抽纸", "春晚前排座位")  # what few points buy
SAVED, SAVERS, WAITING = 50, 12, 3  # points, how many neighbours, and how many have not come yet
WEEK = dict.fromkeys(range(5), "08:30-12:00 14:00-17:30")
DAYS_AGO = 6


def seed(tx: Tx, world: Any, community: Any) -> None:
    """Through the same verbs as life: granted by three, set aside, fetched; the last of it still waits."""
    world.clock.set(world.now - timedelta(days=DAYS_AGO + 1))
    staff = [Subject(each.id, "staff", person=each.person) for each in community.staff[:3]]
    year = budget.year_of(tx.now(), "Asia/Shanghai")
    for signer in staff:
        budget.grant(tx, community.code, year, len(community.people), signer)
    items = {new.zh: shelf.add(tx, community.code, new).id for new in SHELF}
    for each in community.staff[:-1]:  # the last one's are left for whoever looks at the page
        duty.enter(tx, each.id, WEEK, staff[0].id)
    savers = _savers(tx, world, community.code)
    for turn, (person, balance) in enumerate(savers):
        world.clock.set(world.now - timedelta(days=DAYS_AGO) + timedelta(hours=4 * turn))
        item = items[FETCHED[0] if balance >= SHELF[0].price else FETCHED[1]]
        owner = beneficiary.one(tx, "person", person)
        made = rewards.redeem(tx, owner, item, f"seed-{community.code}-{turn}", asker=person)
        if turn < len(savers) - WAITING:
            rewards.hand_over(tx, made, staff[0], tell=False)


def _savers(tx: Tx, world: Any, area: str) -> list[tuple[str, int]]:
    """Some neighbours with enough points; what the people of the stage have is left alone."""
    cast = (world.plan.cast.elder, world.plan.cast.volunteer)
    query = (
        select(col(Account.owner), col(Account.balance))
        .where(
            col(Account.area) == area, col(Account.kind) == "person", col(Account.balance) >= SAVED,
            col(Account.owner).not_in(cast),
        )
        .order_by(col(Account.owner))
        .limit(SAVERS)
    )  # fmt: skip
    return [(owner, int(balance)) for owner, balance in tx.session.execute(query)]
