"""What is told of points: to whom they belong, to the points office, and to whoever asks why an entry stands there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from channels.webhook import CloudEvent
from hub import audit, why
from hub.civic import points
from hub.civic.points import claims, counter, rewards, shelf, supervision
from hub.civic.points.models import Posting
from hub.civic.points.rewards import Asked
from hub.civic.points.shelf import New
from hub.civic.webhooks import kinds, said
from hub.db import Actor, Tx
from hub.errors import NotAllowed, NotFound
from hub.events import BudgetAlert
from tests.points.claimants import Hamlet, a_hamlet, heard, hours
from tests.world import LIUHE


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with a_hamlet(tmp_path) as made:
        yield made


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
            assert [each.node.kind for each in found.way if each.node][-1] == "PointsPosted"
        signed = [each.node.actor for each in found.way if each.node and each.node.kind == "signature"]
        assert signed == ["staff:s-staff", "staff:s-director"]
        with pytest.raises(NotFound):
            hamlet.store.read_now(lambda read, ident=ident: why.chain(read, ident, hamlet.resident("r-zhao"), traces))


def test_a_refused_signature_signs_nothing_and_is_on_record(hamlet: Hamlet) -> None:
    claim = hamlet.declare(item="B05", hours=hours(2))
    verifier = replace(hamlet.staff("s-staff"), area=LIUHE)
    hamlet.write(lambda tx: claims.verify(tx, verifier, claim.id))
    before = hamlet.claim(claim.id).state
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: claims.approve(tx, verifier, claim.id), Actor("staff:s-staff"))
    assert hamlet.claim(claim.id).state == before
    assert [(each["what"], each["why"]) for each in heard(hamlet, "SignatureRefused")] == [
        (f"claim:{claim.id}", "twice")
    ]
    day = hamlet.clock.now().date()
    tried = hamlet.store.read_now(lambda read: supervision.refused(read, LIUHE, day, day, "Asia/Shanghai"))
    assert [(each.ident, each.why) for each in tried] == [(f"claims/{claim.id}", "同一事项签第二次")]
    assert hamlet.store.read_now(audit.verify) is None


def test_a_mark_of_the_money_is_told_to_whoever_subscribes(hamlet: Hamlet) -> None:
    event = BudgetAlert(
        id="e-1", at=hamlet.clock.now(), cause=None, actor="hub", on_behalf_of=None, area=LIUHE, year=2026, percent=85
    )
    kind = next(each for each in kinds.KINDS if each.event is BudgetAlert)
    body = CloudEvent("e-1", kind.type, "/linli", event.subject(), event.at, kind.data(event)).body()
    told = hamlet.store.read_now(lambda read: said.message_of(read, kind.id, body, "https://hub.example"))
    assert (told.url, told.text.splitlines()[-1]) == (
        "https://hub.example/desk/budget?year=2026",
        "本年度积分经费已使用 85%",
    )
