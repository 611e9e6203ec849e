"""A community of claims: residents who declare, staff who sign, a supervisor, and photos of one corner swept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.audit import AuditRow
from hub.civic.points import claims, ledger, photos, publicity
from hub.civic.points.claim_models import Claim
from hub.civic.points.claims import Draft
from hub.civic.points.models import Txn
from hub.civic.points.photos import Picture
from hub.civic.points.why import Why
from hub.clock import ManualClock
from hub.db import Actor, Store, Tx
from tests.points.ledgers import a_store, account, issue
from tests.world import DISTRICT, LIUHE, START, TAYING, permissions, staff

PHOTOS = Path(__file__).parent / "photos"
TODAY = date(2026, 11, 22)
SIGNER = {"G": "s-staff", "S": "s-director", "M": "s-monitor", "B": "s-office", "P": "s-director"}


class Hamlet:
    """One store with its clock; `sign` gives each letter's signature by whoever holds it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock

    def staff(self, ident: str) -> Subject:
        return staff(self.store, ident)

    def resident(self, ident: str) -> Subject:
        found = self.store.read_now(lambda read: directory.resident(read, ident))
        return Subject(
            id=ident, kind="resident", person=ident, household=found.household, area=found.area, surface="resident"
        ).with_permissions(permissions())

    def write(self, work: Any, actor: Actor | None = None) -> Any:
        return self.store.write_now(work, actor or Actor("test"))

    def declare(self, by: str = "r-wang", *, item: str = "C03", pictures: tuple[str, ...] = (), **more: Any) -> Claim:
        fields: dict[str, Any] = {
            "owner_kind": "person", "owner": "r-wang", "day": TODAY, "words": "扫了三楼到五楼的楼道", **more,
        }  # fmt: skip
        who = self.resident(by) if by.startswith("r-") else self.staff(by)
        shown = tuple(picture(each) for each in pictures)
        made: Claim = self.write(lambda tx: claims.declare(tx, who, Draft(item=item, **fields), shown))
        return made

    def sign(self, ident: str, letters: str) -> Claim:
        for number, letter in enumerate(letters):
            verb = claims.verify if number == 0 and len(letters) > 1 else claims.approve
            who = self.staff(SIGNER[letter])
            done = self.write(lambda tx, verb=verb, who=who: verb(tx, who, ident))
        return done  # type: ignore[no-any-return]

    def claim(self, ident: str) -> Claim:
        return self.store.read_now(lambda read: read.session.get_one(Claim, ident))

    def balance(self, account: str = "person-r-wang") -> int:
        held = self.store.read_now(lambda read: ledger.held(read, [account]))
        return held[account].balance if account in held else 0

    def txns(self, reason: str) -> int:
        query = select(col(Txn.id)).where(col(Txn.reason) == reason)
        return len(self.store.read_now(lambda read: read.session.execute(query).all()))

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())
        self.write(publicity.settle_due)

    def grant(self, amount: int, person: str = "r-wang") -> str:
        """Points from nowhere, as an award of long ago."""

        def give(tx: Tx) -> str:
            ident = account(tx, "person", person)
            why = Why("award", "B01", "jingmen-46@1", TODAY - timedelta(days=40))
            return ledger.post(tx, issue(tx), ident, amount, f"grant:{person}:{tx.new_id()}", why).txn

        return str(self.write(give))


def heard(hamlet: Hamlet, kind: str = "PersonalMessage") -> list[dict[str, object]]:
    rows = select(col(AuditRow.detail)).where(col(AuditRow.kind) == kind).order_by(col(AuditRow.seq))
    return [json.loads(row) for row in hamlet.store.read_now(lambda read: read.session.execute(rows).scalars().all())]


def picture(name: str) -> Picture:
    return photos.read((PHOTOS / name).read_bytes())


def hours(count: float) -> Decimal:
    return Decimal(str(count))


def _neighbours(tx: Tx) -> None:
    directory.hire(tx, "s-watch", "石清", "p-shi", [("supervisor", LIUHE)])
    directory.hire(tx, "s-monitor", "田和", "p-tian", [("supervisor", LIUHE)], title_zh="监委会", title_en="Supervisor")
    directory.hire(
        tx, "s-office", "丁原", "p-ding", [("points_office", DISTRICT)], title_zh="积分办", title_en="Points office"
    )
    directory.hire(
        tx, "s-second", "崔晨", "p-cui", [("staff", LIUHE)], title_zh="社区工作者", title_en="Community worker"
    )
    directory.hire(tx, "s-taying", "姚远", "p-yao", [("staff", TAYING), ("director", TAYING)])
    directory.found_building(tx, "lh-b2", LIUHE, "2栋", "Building 2", grid=1)
    directory.found_building(tx, "ty-b1", TAYING, "1栋", "Building 1", grid=1)
    new = directory.NewResident
    for home, building, area, people in (
        ("h-zhao", "lh-b2", LIUHE, (new("r-zhao", "h-zhao", "赵安", "m", date(1970, 1, 1), card="LH-000003"),)),
        ("h-xu", "lh-b2", LIUHE, (new("r-xu", "h-xu", "徐宁", "f", date(1975, 1, 1), card="LH-000004"),)),
        ("h-ty", "ty-b1", TAYING, (new("r-ty", "h-ty", "范明", "m", date(1985, 1, 1), card="TY-000001"),)),
    ):
        directory.register_households(tx, area, [directory.NewHousehold(home, building, "101", (), people)])
    for ident, area, zh, en in (
        ("o-club", LIUHE, "浏河腰鼓队", "Drum club"),
        ("o-shop", TAYING, "塔影便利店", "Corner shop"),
    ):
        tx.session.add(directory.Organisation(id=ident, area=area, zh=zh, en=en))


@contextmanager
def a_hamlet(folder: Path) -> Iterator[Hamlet]:
    clock = ManualClock(START)
    with a_store(folder, clock=clock) as store:
        store.write_now(_neighbours)
        yield Hamlet(store, clock)
