"""The mall, the money behind it and the counter: nothing is given twice, nothing is spent that is not there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import login
from hub.access import Subject
from hub.civic.points import accounts, away, beneficiary, book, budget, chain, counter, holds, ledger, rewards, shelf
from hub.civic.points import cards as card
from hub.civic.points import docket_cards as cards
from hub.civic.points.budget import BudgetSpent
from hub.civic.points.ledger import NotEnoughPoints
from hub.civic.points.reward_models import Redemption, Reward
from hub.civic.points.rewards import Asked, SoldOut
from hub.civic.points.shelf import New
from hub.civic.points.why import Why
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.errors import Conflict, LinliError, NotAllowed, NotFound, Refused
from hub.events import BudgetAlert
from tests.points.ledgers import a_store, account, crowd, issue
from tests.world import LIUHE, START

RICE = New("goods", "大米5kg", "Rice 5 kg", 500, fen=2_500, stock=3)
HAIRCUT = New("service", "理发（志愿）", "Haircut (volunteer)", 80)
DESK = Subject("s-staff", "staff", person="p-zhou")
OTHERS = [Subject(f"s-{n}", "staff", person=f"p-{n}") for n in range(3)]
YEAR = 2026


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Any:
    with a_store(tmp_path, clock=clock) as opened:
        opened.write_now(lambda tx: _rich(tx, "r-wang", 640))
        opened.write_now(lambda tx: _granted(tx, 7_300))
        yield opened


def _rich(tx: Tx, resident: str, amount: int) -> None:
    why = Why("award", item="C01", catalogue="jingmen-46@1")
    ledger.post(tx, issue(tx), account(tx, "person", resident), amount, f"start:{resident}", why)


def _all_rich(tx: Tx, residents: list[str], amount: int) -> None:
    for each in residents:
        _rich(tx, each, amount)


def _granted(tx: Tx, residents: int) -> None:
    for signer in OTHERS:
        budget.grant(tx, LIUHE, YEAR, residents, signer)


def _redeem(tx: Tx, reward: str, once: str, resident: str = "r-wang", **more: Any) -> Redemption:
    return rewards.redeem(tx, beneficiary.one(tx, "person", resident), reward, once, asker=resident, **more)


def _asked(store: Store, reward: str, once: str) -> Redemption:
    return store.write_now(lambda tx: _redeem(tx, reward, once))


def _close(store: Store, signer: Subject) -> None:
    store.write_now(lambda tx: budget.close_year(tx, LIUHE, YEAR, signer))


def _stands(store: Store) -> tuple[int, int, int, int, int | None]:
    """Balance, held, encumbered, spent, stock."""

    def look(read: Any) -> tuple[int, int, int, int, int | None]:
        purse = budget.purse(read, LIUHE, YEAR)
        stock = shelf.rewards(read, LIUHE)[-1].stock
        held = holds.standing(read, ["person-r-wang"]).get("person-r-wang", 0)
        balance = accounts.held(read, ["person-r-wang"])["person-r-wang"].balance
        return balance, held, purse.encumbered, purse.spent, stock

    return store.read_now(look)


def _whole(store: Store) -> None:
    assert store.read_now(book.recount).sound
    assert store.read_now(chain.verify) == []


def test_rice_is_fetched_with_a_code_that_is_good_once(store: Store) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    made = store.write_now(lambda tx: _redeem(tx, rice, "one"))
    assert store.write_now(lambda tx: _redeem(tx, rice, "one")).code == made.code
    assert _stands(store) == (140, 500, 2_500, 0, 2)
    assert len(made.code) == 6
    with pytest.raises(NotFound):
        store.write_now(lambda tx: rewards.pick_up(tx, "420802001013", made.code, DESK))  # another community's counter
    store.write_now(lambda tx: rewards.pick_up(tx, LIUHE, made.code, DESK))
    assert _stands(store) == (140, 0, 0, 2_500, 2)
    with pytest.raises(NotFound):
        store.write_now(lambda tx: rewards.pick_up(tx, LIUHE, made.code, DESK))
    _whole(store)


@pytest.mark.parametrize("way", ["cancelled", "unclaimed"])
def test_what_is_not_fetched_returns_points_money_and_piece(store: Store, clock: ManualClock, way: str) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    store.write_now(lambda tx: _redeem(tx, rice, "one"))
    if way == "cancelled":
        store.write_now(lambda tx: rewards.give_back(tx, tx.session.get(Redemption, "one"), "cancelled", "r-wang"))  # type: ignore[arg-type]
    else:
        assert store.write_now(rewards.return_unclaimed) == 0
        clock.set(START + rewards.KEPT_FOR)
        assert store.write_now(rewards.return_unclaimed) == 1
        assert store.write_now(rewards.return_unclaimed) == 0
    assert _stands(store) == (640, 0, 0, 0, 3)
    _whole(store)


def test_the_price_is_that_of_the_moment_it_was_set_aside(store: Store) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    made = store.write_now(lambda tx: _redeem(tx, rice, "one"))
    store.write_now(lambda tx: setattr(tx.session.get(Reward, rice), "price", 600))
    store.write_now(lambda tx: rewards.pick_up(tx, LIUHE, made.code, DESK))
    assert _stands(store)[:2] == (140, 0)


def test_fifty_at_once_get_the_last_piece_once(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.write_now(lambda tx: _granted(tx, 7_300))
        rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, replace(RICE, stock=1))).id
        people = store.write_now(lambda tx: crowd(tx, 50))
        store.write_now(lambda tx: _all_rich(tx, people, 500))
        answers = _together(lambda n: store.write_now(lambda tx: _redeem(tx, rice, f"n{n}", people[n])))
        assert sum(answer is None for answer in answers) == 1
        assert {type(answer) for answer in answers} == {type(None), SoldOut}
        assert {answer.sentence for answer in answers if answer} == {"最后一份刚刚被兑换"}
        _whole(store)


def test_fifty_at_once_cannot_overspend_the_money_by_one_fen(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.write_now(lambda tx: _granted(tx, 50))  # 7,500 fen: three bags of rice
        rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, replace(RICE, stock=None))).id
        haircut = store.write_now(lambda tx: shelf.add(tx, LIUHE, HAIRCUT)).id
        people = store.write_now(lambda tx: crowd(tx, 50))
        store.write_now(lambda tx: _all_rich(tx, people, 580))
        answers = _together(lambda n: store.write_now(lambda tx: _redeem(tx, rice, f"n{n}", people[n])))
        assert sum(answer is None for answer in answers) == 3
        purse = store.read_now(lambda read: budget.purse(read, LIUHE, YEAR))
        assert (purse.available, purse.encumbered, purse.alert) == (0, 7_500, 100)
        assert store.write_now(lambda tx: _redeem(tx, haircut, "still open", people[49])).state == "held"
        _whole(store)


def _together(work: Callable[[int], Any]) -> list[LinliError | None]:
    def one(number: int) -> LinliError | None:
        try:
            work(number)
        except LinliError as refused:
            return refused
        return None

    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(one, range(50)))


@pytest.mark.parametrize("missing", [0, 1])
def test_the_last_fen_can_be_spent_and_not_one_more(store: Store, missing: int) -> None:
    price = 7_300 * 150 + missing
    dear = store.write_now(lambda tx: shelf.add(tx, LIUHE, replace(RICE, fen=price))).id
    if missing:
        with pytest.raises(BudgetSpent, match="本年度物资额度已用完"):
            store.write_now(lambda tx: _redeem(tx, dear, "one"))
        assert _stands(store) == (640, 0, 0, 0, 3)
    else:
        store.write_now(lambda tx: _redeem(tx, dear, "one"))
        assert _stands(store) == (140, 500, price, 0, 2)


def test_money_takes_three_people_and_the_same_figures(store: Store) -> None:
    def by(signer: Subject, residents: int) -> budget.Purse | None:
        return store.write_now(lambda tx: budget.grant(tx, LIUHE, 2027, residents, signer))

    assert by(OTHERS[0], 7_300) is None
    with pytest.raises(NotAllowed):
        by(OTHERS[0], 7_300)
    with pytest.raises(Conflict):
        by(OTHERS[1], 7_301)
    assert by(OTHERS[1], 7_300) is None
    granted = by(OTHERS[2], 7_300)
    assert granted is not None
    assert (granted.granted, granted.available, granted.city_fen) == (1_095_000, 1_095_000, 547_500)
    assert by(DESK, 7_300) == granted  # again: nothing more
    with pytest.raises(Conflict):
        by(DESK, 7_400)


def test_a_closed_years_money_lapses_and_points_stay(store: Store, clock: ManualClock) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    store.write_now(lambda tx: _redeem(tx, rice, "one"))
    clock.set(START + timedelta(days=60))
    for signer in OTHERS:
        _close(store, signer)
    store.write_now(rewards.return_unclaimed)
    purse = store.read_now(lambda read: budget.purse(read, LIUHE, YEAR))
    assert (purse.available, purse.encumbered, purse.lapsed) == (0, 0, 1_095_000)
    assert _stands(store)[0] == 640
    _whole(store)


def test_each_mark_of_the_budget_is_told_once(store: Store) -> None:
    told: list[int] = []
    store.bus.on(BudgetAlert, lambda _tx, event: told.append(event.percent))
    dear = store.write_now(lambda tx: shelf.add(tx, LIUHE, New("policy", "优先", "First", 0, fen=109_500))).id
    for number in range(10):
        _asked(store, dear, f"n{number}")
    assert told == [70, 85, 100]  # steps of ten per cent: 95 is passed with 100
    assert store.read_now(lambda read: budget.purse(read, LIUHE, YEAR)).alert == 100


def test_the_forecast_is_that_of_the_study() -> None:
    """438,000 issued against 219,000 redeemable: coverage 50, 33, 25, 20 per cent."""
    years = budget.forecast(0, 438_000, 219_000, 1_095_000)
    assert [year.coverage_percent for year in years][:4] == [50, 33, 25, 20]
    assert budget.coverage_percent(1_095_000, 219_000) == 100


def test_a_place_is_taken_once_and_returns(store: Store) -> None:
    cut = store.write_now(lambda tx: shelf.add(tx, LIUHE, HAIRCUT)).id
    slot = store.write_now(lambda tx: shelf.offer_slot(tx, LIUHE, cut, START + timedelta(days=2), 1)).id
    with pytest.raises(LinliError):
        store.write_now(lambda tx: _redeem(tx, cut, "no time"))
    store.write_now(lambda tx: _redeem(tx, cut, "one", slot=slot))
    with pytest.raises(SoldOut):
        store.write_now(lambda tx: _redeem(tx, cut, "two", slot=slot))
    store.write_now(lambda tx: rewards.give_back(tx, tx.session.get(Redemption, "one"), "cancelled", "r-wang"))  # type: ignore[arg-type]
    store.write_now(lambda tx: _redeem(tx, cut, "three", slot=slot))
    assert _stands(store)[:2] == (560, 80)


def test_at_the_counter_a_pin_or_somebody_else_beside(store: Store) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    store.write_now(lambda tx: counter.set_pin(tx, "r-wang", "4711"))
    phc = store.read_now(lambda read: counter.pin_of(read, "r-wang"))
    assert login.proves(phc, "r-wang:4711")
    assert not login.proves(phc, "r-lin:4711")
    granny = store.read_now(lambda read: counter.by_card(read, "LH-000001", LIUHE))
    with pytest.raises(NotAllowed):
        store.write_now(lambda tx: counter.redeem_here(tx, granny, rice, "one", Asked(DESK, "s-staff")))
    done = store.write_now(lambda tx: counter.redeem_here(tx, granny, rice, "one", Asked(DESK, "s-grid")))
    again = store.write_now(lambda tx: counter.redeem_here(tx, granny, rice, "one", Asked(DESK, "s-grid")))
    assert (done.state, again.settled_at, done.witness) == ("picked", done.settled_at, "s-grid")
    assert _stands(store) == (140, 0, 0, 2_500, 2)
    for _try in range(counter.PIN_TRIES_MAX):
        store.write_now(lambda tx: counter.settle_pin(tx, "r-wang", proved=False))
    assert store.read_now(lambda read: counter.pin_of(read, "r-wang")) is None


def test_what_staff_did_in_ones_name_is_disputed_for_seven_days(store: Store, clock: ManualClock) -> None:
    rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
    granny = store.read_now(lambda read: counter.by_card(read, "LH-000001", LIUHE))
    store.write_now(lambda tx: counter.redeem_here(tx, granny, rice, "one", Asked(DESK, "s-grid")))
    owner = Subject("r-wang", "resident", household="h-wang", person="r-wang")
    stranger = Subject("r-lin", "resident", household="h-lin", person="r-lin")
    with pytest.raises(NotFound):
        store.write_now(lambda tx: counter.dispute(tx, stranger, "one", "不是我"))
    store.write_now(lambda tx: counter.dispute(tx, owner, "one", "不是我"))
    assert len(store.read_now(lambda read: counter.disputed(read, LIUHE))) == 1
    with pytest.raises(NotAllowed):
        store.write_now(lambda tx: counter.answer(tx, LIUHE, "one", DESK, "查过了"))
    with pytest.raises(Refused):
        store.write_now(lambda tx: counter.answer(tx, LIUHE, "one", OTHERS[0], " "))
    before = _stands(store)[0]
    store.write_now(lambda tx: counter.answer(tx, LIUHE, "one", OTHERS[0], "误领，退回积分", upheld=True))
    [(txn, _at, points, why)] = store.read_now(lambda read: cards.reversals(read, LIUHE))
    assert (points, why) == (500, "误领，退回积分")  # the second signer reads the reason and need not guess it
    assert _stands(store)[0] == before
    month = store.read_now(lambda read: book.earned_since(read, "person-r-wang", START - timedelta(days=30)))
    store.write_now(lambda tx: ledger.reverse(tx, txn, why, OTHERS[1]))
    assert _stands(store)[0] == before + 500
    since = START - timedelta(days=30)
    assert store.read_now(lambda read: book.earned_since(read, "person-r-wang", since)) == month == 640
    lines = [card.line(each).what for each in store.read_now(lambda read: book.statement(read, "person-r-wang"))]
    assert lines[1] == "兑换 · 大米5kg"  # what for, and not “set aside”
    clock.set(START + timedelta(days=8))
    with pytest.raises(Conflict):
        store.write_now(lambda tx: counter.dispute(tx, owner, "one", "不是我"))


def test_a_witness_says_so_themself_and_who_was_not_there_opens_a_dispute(store: Store) -> None:
    tissues = store.write_now(lambda tx: shelf.add(tx, LIUHE, New("goods", "抽纸", "Tissues", 60, fen=300))).id
    granny = store.read_now(lambda read: counter.by_card(read, "LH-000001", LIUHE))
    for once in ("one", "two"):
        store.write_now(
            lambda tx, once=once: counter.redeem_here(tx, granny, tissues, once, Asked(DESK, "s-grid"))  # type: ignore[misc]
        )
    beside, other = Subject("s-grid", "staff", person="p-feng"), Subject("s-staff", "staff", person="p-zhou")
    assert len(store.read_now(lambda read: counter.to_witness(read, "s-grid"))) == 2
    with pytest.raises(NotFound):  # not even whoever entered it says yes in the witness's place
        store.write_now(lambda tx: counter.bear_witness(tx, other, "one", there=True))
    store.write_now(lambda tx: counter.bear_witness(tx, beside, "one", there=True))
    store.write_now(lambda tx: counter.bear_witness(tx, beside, "two", there=False))
    with pytest.raises(Conflict):
        store.write_now(lambda tx: counter.bear_witness(tx, beside, "two", there=True))
    [(found, _reward)] = store.read_now(lambda read: counter.disputed(read, LIUHE))
    assert (found.id, found.dispute) == ("two", "登记的见证人表示当时不在场")
    assert [each.id for each, _r in store.read_now(lambda read: counter.unconfirmed(read, LIUHE))] == ["two"]


def test_a_top_up_waits_in_sight_and_figures_that_do_not_agree_are_entered_anew(store: Store) -> None:
    def more(fen: int, who: Subject) -> object:
        return store.write_now(lambda tx: budget.top_up(tx, LIUHE, 2026, fen, "荆财〔2026〕7号", who))

    free = store.read_now(lambda read: budget.purse(read, LIUHE, 2026)).available
    more(1_000_00, OTHERS[0])
    with pytest.raises(Conflict):
        more(10_000_00, OTHERS[1])
    assert store.read_now(lambda read: budget.pending(read, LIUHE, 2026)) == [("荆财〔2026〕7号", 1)]
    store.write_now(lambda tx: budget.start_over(tx, LIUHE, 2026, "荆财〔2026〕7号"))
    for who in (OTHERS[0], OTHERS[1], DESK):
        more(10_000_00, who)
    assert store.read_now(lambda read: budget.pending(read, LIUHE, 2026)) == []
    assert store.read_now(lambda read: budget.purse(read, LIUHE, 2026)).available == free + 10_000_00
    store.write_now(lambda tx: budget.start_over(tx, LIUHE, 2026, "荆财〔2026〕7号"))  # what holds is not undone
    assert store.read_now(lambda read: budget.purse(read, LIUHE, 2026)).available == free + 10_000_00


def test_a_counter_without_a_line_spends_nothing_twice(store: Store, clock: ManualClock) -> None:
    cut = store.write_now(lambda tx: shelf.add(tx, LIUHE, HAIRCUT)).id
    first, second = (_asked(store, cut, once) for once in ("one", "two"))
    gone = store.write_now(lambda tx: away.take_along(tx, LIUHE, DESK)).id
    with pytest.raises(Conflict):
        store.write_now(lambda tx: away.take_along(tx, LIUHE, DESK))
    with pytest.raises(Conflict):
        store.write_now(lambda tx: rewards.pick_up(tx, LIUHE, first.code, DESK))
    with pytest.raises(Conflict):
        store.write_now(lambda tx: rewards.give_back(tx, tx.session.get(Redemption, "one"), "cancelled", "r-wang"))  # type: ignore[arg-type]
    clock.set(START + timedelta(days=8))
    assert store.write_now(rewards.return_unclaimed) == 0
    lines = [("one", first.code), ("two", "000000" if second.code != "000000" else "000001"), ("none", "1")]
    came = store.write_now(lambda tx: away.bring_back(tx, gone, lines, DESK))
    assert [each.state for each in came] == ["picked", "refused", "refused"]
    again = store.write_now(lambda tx: away.bring_back(tx, gone, lines[:1], DESK))
    assert [each.state for each in again] == ["picked"]
    assert _stands(store)[:2] == (480, 80)  # the second is free again, and lapses like any other
    assert store.write_now(rewards.return_unclaimed) == 1
    assert _stands(store)[:2] == (560, 0)
    _whole(store)


@settings(max_examples=15)
@given(steps=st.lists(st.tuples(st.sampled_from(["ask", "fetch", "cancel", "wait"]), st.integers(0, 5)), max_size=25))
def test_no_order_of_steps_loses_a_point_a_fen_or_a_piece(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    clock = ManualClock(START)
    with a_store(tmp_path_factory.mktemp("mall"), clock=clock) as store:
        store.write_now(lambda tx: _rich(tx, "r-wang", 2_000))
        store.write_now(lambda tx: _granted(tx, 60))  # 9,000 fen
        rice = store.write_now(lambda tx: shelf.add(tx, LIUHE, RICE)).id
        for step, number in steps:
            try:
                store.write_now(partial(_step, step=step, once=f"n{number}", rice=rice, clock=clock))
            except (SoldOut, BudgetSpent, NotEnoughPoints):
                continue
        balance, held, encumbered, spent, stock = _stands(store)
        picked = spent // 2_500
        assert balance + held + 500 * picked == 2_000
        assert held // 500 == encumbered // 2_500
        assert stock == 3 - picked - held // 500
        purse = store.read_now(lambda read: budget.purse(read, LIUHE, YEAR))
        assert purse.available + encumbered + spent == 9_000
        _whole(store)


def _step(tx: Tx, step: str, once: str, rice: str, clock: ManualClock) -> None:
    found = tx.session.get(Redemption, once)
    if step == "ask":
        _redeem(tx, rice, once)
    elif step == "wait":
        clock.set(clock.now() + timedelta(days=2))
        rewards.return_unclaimed(tx)
    elif found is not None and found.state == "held":
        rewards.hand_over(tx, found, DESK) if step == "fetch" else rewards.give_back(tx, found, "cancelled", "r-wang")
