"""The demo's mall: the study's suggested prices on the shelf, a year's money, and some who have fetched something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub.access import Subject
from hub.civic.points import beneficiary, budget, rewards, shelf
from hub.civic.points.models import Account
from hub.civic.points.shelf import New
from hub.db import Tx

SHELF = (
    New("goods", "抽纸", "Tissues", 60, fen=300, stock=200), New("goods", "牙膏", "Toothpaste", 80, fen=400, stock=120),
    New("goods", "大米5kg", "Rice, 5 kg", 500, fen=2_500, stock=40),
    New("goods", "食用油5L", "Cooking oil, 5 l", 1_000, fen=5_000, stock=20),
    New("service", "理发（志愿）", "Haircut (volunteers)", 80),
    New("service", "家电清洗（志愿）", "Appliance cleaning (volunteers)", 150),
    New("service", "法律咨询", "Legal advice", 100), New("service", "活动场地半天", "A room for half a day", 100),
    New("policy", "体检套餐优先预约", "First choice of check-up dates", 100),
    New("policy", "春晚前排座位", "A front seat at the New Year's show", 50, stock=30),
    New("honour", "荣誉证书", "Certificate of honour", 0, stars=1),
)  # fmt: skip
FETCHED = ("抽纸", "牙膏", "理发（志愿）")
SAVED, SAVERS = 220, 3  # points for all three of them, and how many neighbours
DAYS_AGO = 6


def seed(tx: Tx, world: Any, community: Any) -> None:
    """Through the same verbs as life: granted by three, set aside, fetched; the last of it still waits."""
    world.clock.set(world.now - timedelta(days=DAYS_AGO + 1))
    staff = [Subject(each.id, "staff", person=each.person) for each in community.staff[:3]]
    year = budget.year_of(tx.now(), "Asia/Shanghai")
    for signer in staff:
        budget.grant(tx, community.code, year, len(community.people), signer)
    items = {new.zh: shelf.add(tx, community.code, new).id for new in SHELF}
    for turn, person in enumerate(_savers(tx, world, community.code)):
        owner = beneficiary.one(tx, "person", person)
        for number, name in enumerate(FETCHED):
            world.clock.set(world.now - timedelta(days=DAYS_AGO - number))
            once = f"seed-{community.code}-{turn}-{number}"
            made = rewards.redeem(tx, owner, items[name], once, asker=person)
            if number < len(FETCHED) - 1:  # the last one still waits
                rewards.hand_over(tx, made, staff[0])


def _savers(tx: Tx, world: Any, area: str) -> list[str]:
    """Some neighbours with enough points; what the people of the stage have is left alone."""
    cast = (world.plan.cast.elder, world.plan.cast.volunteer)
    query = (
        select(col(Account.owner))
        .where(
            col(Account.area) == area, col(Account.kind) == "person", col(Account.balance) >= SAVED,
            col(Account.owner).not_in(cast),
        )
        .order_by(col(Account.owner))
        .limit(SAVERS)
    )  # fmt: skip
    return list(tx.session.execute(query).scalars())
