"""Each step of a point's life, killed by -9 in its midst, before its commit and after it: whole or not at all.

LINLI_TEST_LONG=1 adds what is rarer: publicity, objections, reversals, imports, attendance, the year's money.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from hub.civic.activities import attendance, programme
from hub.civic.activities.programme import Plan
from hub.civic.points import (
    beneficiary,
    budget,
    chain,
    claim_import,
    claims,
    holds,
    ledger,
    publicity,
    recount,
    rewards,
    shelf,
    transfers,
)
from hub.civic.points.why import Why
from hub.db import Store, Tx
from hub.errors import Conflict, NotFound
from hub.rng import SystemRng
from hub.seal import Seal
from tests.points.claimants import Hamlet, a_hamlet
from tests.points.ledgers import a_bus
from tests.points.test_claim_abuse import FILE
from tests.points.test_points_rewards import DESK, HAIRCUT, OTHERS
from tests.world import KEY, LIUHE

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
Step = Callable[[Hamlet], Any]
# Done already, in words; the rest give the first answer again.
REFUSED = {"claim": Conflict, "fetch": NotFound, "object": Conflict, "answer": Conflict}
MOMENTS = ("in its midst", "before its commit", "after its commit")
STANDS = {
    "accounts": "SELECT id, balance, earned, at_posting FROM points_account ORDER BY id",
    "entries": "SELECT reference, reason, link FROM points_txn ORDER BY reference",
    "claims": "SELECT id, state FROM points_claim ORDER BY id",
    "redemptions": "SELECT id, state FROM points_redemption ORDER BY id",
    "transfers": "SELECT id, state FROM points_transfer ORDER BY id",
    "signatures": "SELECT count(*) FROM signature",
    "checked": "SELECT area, links, entries FROM points_checked ORDER BY area",
    "objections": "SELECT id, state FROM points_objection ORDER BY id",
    "sheets": "SELECT id, state FROM activities_sheet ORDER BY id",
}


def _stands(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.engine.connect() as connection:
        return {name: [tuple(row) for row in connection.execute(text(query))] for name, query in STANDS.items()}


def _one(hamlet: Hamlet, query: str) -> str:
    with hamlet.store.engine.connect() as connection:
        return str(connection.execute(text(query)).scalar_one())


def _claim(hamlet: Hamlet, item: str = "C03") -> str:
    return _one(hamlet, f"SELECT id FROM points_claim WHERE item = '{item}' ORDER BY id LIMIT 1")  # noqa: S608


def _approve(hamlet: Hamlet, item: str = "C03") -> None:
    hamlet.write(lambda tx: claims.approve(tx, hamlet.staff("s-director"), _claim(hamlet, item)))


def _entry(hamlet: Hamlet) -> str:
    return _one(hamlet, f"SELECT txn FROM points_claim WHERE id = '{_claim(hamlet)}'")  # noqa: S608


def _recount(hamlet: Hamlet) -> None:
    night, found = hamlet.store.read_now(recount.survey)
    hamlet.write(lambda tx: recount.keep(tx, night, found))


def _redeem(tx: Tx) -> str:
    reward = shelf.rewards(tx, LIUHE)[0].id
    return rewards.redeem(tx, beneficiary.one(tx, "person", "r-wang"), reward, "one", asker="r-wang").code


def _send(hamlet: Hamlet) -> None:
    by = hamlet.resident("r-wang")

    def send(tx: Tx) -> None:
        ends = beneficiary.one(tx, "person", "r-wang"), beneficiary.one(tx, "person", "r-zhao")
        transfers.send(tx, by, *ends, 20, once="killed".ljust(32, "x"))

    hamlet.write(send)


def _fetch(hamlet: Hamlet) -> None:
    hamlet.write(lambda tx: rewards.pick_up(tx, LIUHE, _redeem(tx), DESK))


STEPS: dict[str, Step] = {
    "claim": lambda hamlet: hamlet.declare(),
    "verify": lambda hamlet: hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), _claim(hamlet))),
    "approve and post": _approve,
    "hold": lambda hamlet: hamlet.write(
        lambda tx: holds.hold(tx, "person-r-wang", 10, "held", Why("hold"), tx.now() + timedelta(days=7))
    ),
    "give back": lambda hamlet: hamlet.write(lambda tx: holds.void(tx, "held")),
    "redeem": lambda hamlet: hamlet.write(_redeem),
    "fetch": _fetch,
    "transfer": _send,
    "arrive": lambda hamlet: hamlet.write(transfers.settle_due),
    "recount": _recount,
}


def _a_sheet(hamlet: Hamlet) -> None:
    keeper, now = hamlet.staff("s-staff"), hamlet.clock.now()
    plan = Plan(
        LIUHE, "清洁日", "Clean-up", "C01", now - timedelta(hours=3), now - timedelta(hours=1), "广场", "", 0, ""
    )

    def fill(tx: Tx) -> None:
        sheet = attendance.open_sheet(tx, keeper, programme.publish(tx, keeper, plan).id)
        for who in ("r-zhao", "r-xu"):
            attendance.add(tx, keeper, sheet.id, who, Decimal(2))
        attendance.submit(tx, keeper, sheet.id)

    hamlet.write(fill)


def _grant(hamlet: Hamlet, *signers: int) -> None:
    for each in signers:
        hamlet.write(partial(budget.grant, area=LIUHE, year=2026, residents=7_300, signer=OTHERS[each]))


def _blood(hamlet: Hamlet) -> None:
    made = hamlet.declare(item="B06", number="献血证 1")
    hamlet.write(lambda tx: claims.verify(tx, hamlet.staff("s-staff"), made.id))


BEFORE: dict[str, Step] = {
    "arrive": lambda hamlet: hamlet.clock.advance(25 * 3_600),
    "publish": _blood,
    "credit": lambda hamlet: hamlet.clock.advance(73 * 3_600),
    "credit a sheet": _a_sheet,
    "grant": lambda hamlet: _grant(hamlet, 0, 1),
}
RARER: dict[str, Step] = {
    "publish": partial(_approve, item="B06"),
    "credit": lambda hamlet: hamlet.write(publicity.settle_due),
    "object": lambda hamlet: hamlet.write(
        lambda tx: publicity.object_to_entry(tx, hamlet.resident("r-wang"), _entry(hamlet), "不是我")
    ),
    "answer": lambda hamlet: hamlet.write(
        lambda tx: publicity.answer(
            tx, hamlet.staff("s-monitor"), _one(hamlet, "SELECT id FROM points_objection"), "属实", upheld=True
        )
    ),
    "reverse": lambda hamlet: hamlet.write(
        lambda tx: ledger.reverse(tx, _entry(hamlet), "属实", hamlet.staff("s-director"))
    ),
    "import": lambda hamlet: hamlet.write(lambda tx: claim_import.take(tx, hamlet.staff("s-grid"), LIUHE, FILE)),
    "credit a sheet": lambda hamlet: hamlet.write(
        lambda tx: attendance.approve(tx, hamlet.staff("s-director"), _one(hamlet, "SELECT id FROM activities_sheet"))
    ),
    "grant": lambda hamlet: _grant(hamlet, 2),
}
if LONG:
    STEPS |= RARER


def _nothing(_hamlet: Hamlet) -> None:
    return None


def _die(*_seen: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killed(hamlet: Hamlet, step: Step, moment: str) -> None:
    """The step in a process of its own, which ends at that moment. Nothing of the store is open while it forks."""
    url = hamlet.store.url.render_as_string(hide_password=False)
    hamlet.store.close()
    child = os.fork()
    if child == 0:
        try:
            store = Store(url, seal=Seal(KEY), clock=hamlet.clock, rng=SystemRng(), bus=a_bus(), inline=True)
            if moment == "after its commit":
                store.bus.observe(_die)
            elif moment == "before its commit":
                event.listen(store.engine, "commit", _die)
            else:
                event.listen(store.engine, "after_cursor_execute", partial(_after_writing, [0]))
            step(Hamlet(store, hamlet.clock))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it lived"


def _after_writing(written: list[int], _connection: Any, _cursor: Any, statement: str, *_more: object) -> None:
    written[0] += statement.startswith(("INSERT", "UPDATE"))
    if written[0] == 2:
        _die()


def test_a_step_killed_at_any_moment_is_done_whole_or_not_at_all_and_done_once_when_tried_again(tmp_path: Path) -> None:
    with a_hamlet(tmp_path) as hamlet:
        hamlet.grant(200)
        hamlet.write(lambda tx: shelf.add(tx, LIUHE, HAIRCUT))
        for name, step in STEPS.items():
            BEFORE.get(name, _nothing)(hamlet)
            before = _stands(hamlet.store)
            for moment in MOMENTS[:2]:
                _killed(hamlet, step, moment)
                assert _stands(hamlet.store) == before, f"{name} {moment}"
            _killed(hamlet, step, "after its commit")
            done = _stands(hamlet.store)
            assert done != before, name
            with pytest.raises(REFUSED[name]) if name in REFUSED else nullcontext():
                step(hamlet)
            assert _stands(hamlet.store) == done, name
            assert hamlet.store.read_now(recount.check).sound
        assert hamlet.store.read_now(chain.verify) == []
        ours = hamlet.balance(), hamlet.balance("person-r-zhao")
        assert ours == ((200 + 5 - 80 - 20 + 50 - 5, 20 + 20) if LONG else (200 + 5 - 80 - 20, 20))
