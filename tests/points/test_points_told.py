"""What is told of points: to whom they belong, to the points office, and to whoever asks why an entry stands there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub import why
from hub.audit import AuditRow
from hub.civic import points
from hub.civic.points import counter, rewards, shelf
from hub.civic.points.models import Posting
from hub.civic.points.rewards import Asked
from hub.civic.points.shelf import New
from hub.db import Tx
from hub.errors import NotFound
from tests.points.claimants import Hamlet, a_hamlet
from tests.world import LIUHE


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with a_hamlet(tmp_path) as made:
        yield made


def heard(hamlet: Hamlet, kind: str = "PersonalMessage") -> list[dict[str, object]]:
    rows = select(col(AuditRow.detail)).where(col(AuditRow.kind) == kind).order_by(col(AuditRow.seq))
    return [json.loads(row) for row in hamlet.store.read_now(lambda read: read.session.execute(rows).scalars().all())]


def tissues(tx: Tx) -> str:
    return shelf.add(tx, LIUHE, New("goods", "抽纸", "Tissues", 60)).id


def test_what_staff_hand_over_is_told_at_home_and_what_one_gives_back_oneself_is_not(hamlet: Hamlet) -> None:
    hamlet.grant(200)
    desk, own = hamlet.staff("s-staff"), hamlet.resident("r-wang")
    reward = hamlet.write(tissues)

    def over_the_counter(tx: Tx) -> None:
        counter.redeem_here(tx, counter.by_card(tx, "LH-000001", LIUHE), reward, "rd-1", Asked(desk, "s-director"))

    hamlet.write(over_the_counter)
    told = heard(hamlet)
    assert [(each["resident"], each["title"]) for each in told] == [("r-wang", "您的积分有变动：-60")]
    assert "抽纸" in str(told[0]["text"])
    owner = hamlet.store.read_now(lambda read: points.beneficiary.one(read, "person", "r-wang"))
    made = hamlet.write(lambda tx: rewards.redeem(tx, owner, reward, "rd-2", asker="r-wang"))
    hamlet.write(lambda tx: rewards.give_back(tx, tx.session.merge(made), "cancelled", own.id))
    assert len(heard(hamlet)) == 1
    hamlet.write(lambda tx: rewards.redeem(tx, owner, reward, "rd-3", asker="r-wang"))
    hamlet.clock.advance(8 * 86_400)
    hamlet.write(rewards.return_unclaimed)
    assert heard(hamlet)[-1]["title"] == "您的积分有变动：+60"


def test_an_entry_answers_why_to_its_owner_and_the_desk_and_to_no_neighbour(hamlet: Hamlet) -> None:
    claim = hamlet.sign(hamlet.declare().id, "GS")
    assert claim.txn
    number = hamlet.store.read_now(
        lambda read: read.session.execute(select(col(Posting.id)).where(col(Posting.txn) == claim.txn)).scalar_one()
    )
    traces = [points.MODULE.trace]
    for ident in (claim.txn, f"{number:06}"):
        for who in (hamlet.resident("r-wang"), hamlet.staff("s-watch"), None):
            found = hamlet.store.read_now(lambda read, who=who, ident=ident: why.chain(read, ident, who, traces))
            assert found.way[-1].node and found.way[-1].node.kind == "PointsPosted"
        signed = [each.node.actor for each in found.way if each.node and each.node.kind == "signature"]
        assert signed == ["staff:s-staff", "staff:s-director"]
        with pytest.raises(NotFound):
            hamlet.store.read_now(lambda read, ident=ident: why.chain(read, ident, hamlet.resident("r-zhao"), traces))
