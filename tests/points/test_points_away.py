"""A counter without a line: leases that end, two counters, and a browser whose line is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hub.civic.points import away, beneficiary, budget, ledger, rewards, shelf
from hub.civic.points.away import Handed
from hub.civic.points.reward_models import Redemption
from hub.civic.points.shelf import New
from hub.civic.points.why import Why
from hub.db import Tx
from hub.errors import Conflict, NotAllowed
from tests.conftest import needs
from tests.points.claimants import Hamlet, a_hamlet, heard
from tests.points.hall import a_hall
from tests.points.ledgers import account, issue
from tests.world import LIUHE, staff

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Hamlet]:
    with a_hamlet(tmp_path) as made:
        made.grant(400)
        yield made


def set_aside(tx: Tx, *once: str) -> list[Redemption]:
    reward = shelf.add(tx, LIUHE, New("service", "理发（志愿）", "Haircut", 80)).id
    owner = beneficiary.one(tx, "person", "r-wang")
    return [rewards.redeem(tx, owner, reward, each, asker="r-wang") for each in once]


def test_two_counters_never_have_the_same_and_a_late_line_stands_unless_it_went_elsewhere(hamlet: Hamlet) -> None:
    desk = hamlet.staff("s-staff")
    one, two = hamlet.write(lambda tx: set_aside(tx, "one", "two"))
    yard = hamlet.write(lambda tx: away.take_along(tx, LIUHE, desk, "Yard")).id
    with pytest.raises(Conflict):  # nothing is left for a second counter
        hamlet.write(lambda tx: away.take_along(tx, LIUHE, desk, "Hall"))
    three = hamlet.write(lambda tx: rewards.redeem(
        tx, beneficiary.one(tx, "person", "r-wang"), tx.session.get_one(Redemption, "one").reward, "three"
    ))  # fmt: skip
    hall = hamlet.write(lambda tx: away.take_along(tx, LIUHE, desk, "Hall")).id
    wrong = hamlet.write(lambda tx: away.sync(tx, hall, [Handed("one", one.code)], desk))
    assert [each.state for each in wrong] == ["refused"]  # the hall's counter did not take it along
    handed = hamlet.clock.now()
    hamlet.clock.advance((away.LEASE + away.GRACE + timedelta(minutes=1)).total_seconds())
    assert hamlet.write(away.end_leases) == 2
    hamlet.write(lambda tx: rewards.pick_up(tx, LIUHE, two.code, desk))  # free again, fetched at the desk
    lines = [Handed("one", one.code, handed), Handed("two", two.code, handed)]
    for _again in range(2):
        came = hamlet.write(lambda tx: away.sync(tx, yard, lines, desk))
        assert [each.state for each in came] == ["picked", "refused"]
    assert hamlet.txns("redeem") == 2
    [clash] = hamlet.store.read_now(lambda read: away.clashes(read, LIUHE))
    assert (clash.redemption, clash.counter) == ("two", "Yard")
    assert [each["title"] for each in heard(hamlet)][-1] == "您的一次领取正在核对"
    assert sum(each["title"] == "您的一次领取正在核对" for each in heard(hamlet)) == 1  # sent again, told once
    hamlet.write(lambda tx: away.look_into(tx, LIUHE, yard, "two", desk))
    assert hamlet.store.read_now(lambda read: away.clashes(read, LIUHE)) == []
    assert hamlet.balance() == 400 - 3 * 80
    assert three.state == "held"


def test_a_piece_gone_twice_is_written_off_by_somebody_else_and_stock_and_money_agree(hamlet: Hamlet) -> None:
    """Fetched elsewhere after the counter's time, and handed over by it too: one entry, two bags of rice."""
    desk, other = hamlet.staff("s-staff"), hamlet.staff("s-director")

    def stock(tx: Tx) -> tuple[str, Redemption]:
        for signer in ("s-director", "s-office", "s-monitor"):
            budget.grant(tx, LIUHE, 2026, 100, hamlet.staff(signer))
        rice = shelf.add(tx, LIUHE, New("goods", "大米5kg", "Rice", 80, fen=2_500, stock=5)).id
        owner = beneficiary.one(tx, "person", "r-wang")
        return rice, rewards.redeem(tx, owner, rice, "rice", asker="r-wang")

    rice, held = hamlet.write(stock)
    yard = hamlet.write(lambda tx: away.take_along(tx, LIUHE, desk, "Yard")).id
    hamlet.clock.advance((away.LEASE + away.GRACE + timedelta(minutes=1)).total_seconds())
    hamlet.write(away.end_leases)
    hamlet.write(lambda tx: rewards.pick_up(tx, LIUHE, held.code, other))
    hamlet.write(lambda tx: away.sync(tx, yard, [Handed("rice", held.code)], desk))

    def stands() -> tuple[int | None, int, int]:
        purse = hamlet.store.read_now(lambda read: budget.purse(read, LIUHE, 2026))
        return hamlet.store.read_now(lambda read: shelf.one(read, LIUHE, rice).stock), purse.spent, hamlet.balance()

    assert stands() == (4, 2_500, 320)
    [clash] = hamlet.store.read_now(lambda read: away.clashes(read, LIUHE))
    assert (clash.gone, clash.fen) == (True, 2_500)
    with pytest.raises(NotAllowed):
        hamlet.write(lambda tx: away.look_into(tx, LIUHE, yard, "rice", desk, write_off=True))
    for _again in range(2):
        hamlet.write(lambda tx: away.look_into(tx, LIUHE, yard, "rice", other, write_off=True))
    assert stands() == (3, 5_000, 320)
    assert hamlet.store.read_now(lambda read: away.clashes(read, LIUHE)) == []


@needs("chromium")
def test_with_the_line_cut_a_counter_hands_over_once_and_posts_once_when_it_is_back(
    tmp_path: Path, browser: Browser
) -> None:
    with a_hall(tmp_path) as hall:
        one, two = hall.shell.write(_furnished)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        token = hall.shell.token("staff", "staff", "s-staff")
        context.add_cookies([{"name": "linli_staff", "value": token, "url": hall.url}])
        page = context.new_page()
        page.goto(f"{hall.url}/desk/counter/away")
        page.locator("#name").fill("院内")
        page.get_by_role("button", name="带出").click()
        page.wait_for_function("() => navigator.serviceWorker.controller !== null")
        page.wait_for_function("() => caches.match('/desk/counter/away').then(kept => Boolean(kept))")
        context.set_offline(True)
        page.close()
        page, twin = context.new_page(), context.new_page()  # two windows of the same counter, opened without a line
        for window in (page, twin):
            window.goto(f"{hall.url}/desk/counter/away")
        for window, shown in ((page, "[data-given]"), (twin, "[data-wrong]")):
            window.locator("#code").fill(one.code)
            window.locator("[data-code] button").click()
            window.locator(shown).filter(has_text=re.compile(".")).wait_for()
        page.locator("#code").fill("000000" if "000000" not in (one.code, two.code) else "000001")
        page.locator("[data-code] button").click()
        page.locator("[data-wrong]").filter(has_text="没有").wait_for()
        page.get_by_text("待上传 1 条").wait_for()
        assert state(hall, one.id) == "held"
        with pytest.raises(Conflict):  # the desk cannot give what the counter has
            hall.shell.write(lambda tx: rewards.pick_up(tx, LIUHE, one.code, staff(hall.store, "s-director")))
        context.set_offline(False)
        page.locator(f"[data-redemption='{one.id}'] [data-sent]").wait_for()
        assert (state(hall, one.id), state(hall, two.id)) == ("picked", "held")
        page.locator("[data-home] button").click()
        page.get_by_text("离线柜台已归队").wait_for()
        hall.shell.write(lambda tx: rewards.pick_up(tx, LIUHE, two.code, staff(hall.store, "s-director")))
        context.close()


def _furnished(tx: Tx) -> list[Redemption]:
    why = Why("award", "B01", "jingmen-46@1", tx.now().date())
    ledger.post(tx, issue(tx), account(tx, "person", "r-wang"), 200, "away:wang", why)
    return set_aside(tx, "away-one", "away-two")


def state(hall: Any, ident: str) -> str:
    return str(hall.store.read_now(lambda read: read.session.get_one(Redemption, ident).state))
