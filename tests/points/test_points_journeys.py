"""Three journeys of domain.md 4.1 in a browser: the clean-up (S-5), rice without a phone (S-6), the auditor (S-10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from hub import directory
from hub.access import Grant, Subject
from hub.audit import AuditRow
from hub.civic.activities import programme
from hub.civic.activities.models import Presence
from hub.civic.activities.programme import Plan
from hub.civic.points import budget, ledger, shelf
from hub.civic.points.shelf import New
from hub.civic.points.why import Why
from hub.db import Tx
from tests.conftest import needs
from tests.points.hall import Hall, a_hall
from tests.points.ledgers import account, issue
from tests.world import LIUHE, permissions, staff

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = needs("chromium")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with a_hall(tmp_path_factory.mktemp("journeys")) as made:
        made.shell.write(lambda tx: directory.hire(tx, "s-monitor", "田和", "p-tian", [("supervisor", LIUHE)]))
        yield made


@pytest.fixture(scope="module")
def context(hall: Hall, browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    yield made
    made.close()


def be(hall: Hall, context: BrowserContext, ident: str) -> Page:
    """A page of whoever it is; staff change places at one machine."""
    kind = "staff" if ident.startswith("s-") else "resident"
    context.add_cookies([{"name": f"linli_{kind}", "value": hall.shell.token(kind, kind, ident), "url": hall.url}])
    return context.new_page()


def shown(desk: Page) -> str:
    """The code on the organiser's screen, which is left at once: it turns itself to the next code."""
    digits = desk.locator(".number").inner_text().replace(" ", "")
    desk.goto("about:blank")
    return digits


def clean_up(hall: Hall) -> str:
    starts = hall.store.clock.now() - timedelta(hours=2)
    plan = Plan(LIUHE, "周六清洁日", "Clean-up", "C01", starts, starts + timedelta(hours=3), "广场", "Square")
    return str(hall.shell.write(lambda tx: programme.publish(tx, staff(hall.store, "s-staff"), plan)).id)


def test_s5_signed_in_by_the_code_signed_out_approved_once_and_on_the_phone_in_seconds(
    hall: Hall, context: BrowserContext
) -> None:
    from playwright.sync_api import expect

    activity = clean_up(hall)
    phone, desk = be(hall, context, "r-lin"), be(hall, context, "s-staff")
    desk.goto(f"{hall.url}/desk/activities/{activity}/door")
    digits = shown(desk)
    phone.goto(f"{hall.url}/activities/{activity}?code={digits}")
    phone.get_by_role("button", name="签到").click()
    expect(phone.get_by_text("您已签到")).to_be_visible()
    # Two hours pass: whoever came now came then.
    came = hall.store.clock.now() - timedelta(hours=2)
    hall.shell.write(lambda tx: tx.change(update(Presence).values(came=came)))
    desk.goto(f"{hall.url}/desk/activities/{activity}/door")
    phone.locator("input[name=digits]").fill(shown(desk))
    phone.get_by_role("button", name="签退").click()
    expect(phone.get_by_text("已签退")).to_be_visible()
    phone.goto(f"{hall.url}/")
    figure = phone.locator(".card-brand .number")
    expect(figure).to_have_text("0")
    desk.goto(f"{hall.url}/desk/activities/{activity}")
    desk.get_by_role("button", name="填写签到表").click()
    desk.get_by_role("button", name="转入签到表").click()
    desk.locator("textarea[name=text]").fill("LH-000001 2")
    desk.get_by_role("button", name="录入名单").click()
    desk.get_by_role("button", name="签名提交").click()
    sheet = desk.url
    desk.close()
    second = be(hall, context, "s-director")
    second.goto(sheet)
    second.get_by_role("button", name="审批通过").click()
    expect(figure).to_have_text("20", timeout=10_000)
    told = select(func.count()).where(col(AuditRow.kind) == "PersonalMessage", col(AuditRow.subject) == "r-lin")
    assert hall.store.read_now(lambda read: read.session.execute(told).scalar_one()) == 1
    for page in (phone, second):
        page.close()


def rice(tx: Tx, hall: Hall) -> None:
    """640 points, a sack of rice on the shelf, and this year's money under three signatures."""
    for role, ident in (("points_office", "a"), ("director", "b"), ("supervisor", "c")):
        signer = Subject(ident, "staff", (Grant(role, directory.area(tx, LIUHE).path),), person=f"p-{ident}")
        budget.grant(
            tx, LIUHE, budget.year_of(tx.now(), "Asia/Shanghai"), 7_300, signer.with_permissions(permissions())
        )
    shelf.add(tx, LIUHE, New("goods", "大米5kg", "Rice 5 kg", 500, 2500, 3))
    why = Why("award", "B01", "jingmen-46@1", tx.now().date())
    held = ledger.held(tx, ["person-r-wang"])
    missing = 640 - (held["person-r-wang"].balance if held else 0)
    ledger.post(tx, issue(tx), account(tx, "person", "r-wang"), missing, "journey:rice", why)


def test_s6_rice_is_handed_over_at_the_counter_without_a_phone(hall: Hall, context: BrowserContext) -> None:
    from playwright.sync_api import expect

    hall.shell.write(lambda tx: rice(tx, hall))
    desk, home = be(hall, context, "s-staff"), be(hall, context, "r-wang")
    home.goto(f"{hall.url}/")
    figure = home.locator(".card-brand .number")
    expect(figure).to_have_text("640")
    desk.goto(f"{hall.url}/desk/counter")
    desk.locator("input[name=card]").first.fill("LH-000001")
    desk.get_by_role("button", name="查找").or_(desk.locator("form[action$='/card'] button")).first.click()
    expect(desk.locator("#customer")).to_be_visible()
    desk.locator("select[name=witness]").select_option("s-director")
    desk.locator("form[action$='/redeem'] button").click()
    expect(desk.locator("[role=status]")).to_contain_text("140")
    expect(figure).to_have_text("140", timeout=10_000)
    year = budget.year_of(hall.store.clock.now(), "Asia/Shanghai")
    assert hall.store.read_now(lambda read: budget.purse(read, LIUHE, year)).spent == 2500
    for page in (desk, home):
        page.close()


def test_s10_the_auditor_replays_samples_opens_and_is_on_record(hall: Hall, context: BrowserContext) -> None:
    from playwright.sync_api import expect

    month = hall.store.clock.now().strftime("%Y-%m")
    page = be(hall, context, "s-monitor")
    page.goto(f"{hall.url}/desk/points/supervision?month={month}")
    page.get_by_role("button", name="从零重算").click()
    expect(page.locator("[role=status]")).to_contain_text("合计为0")
    expect(page.locator("[role=status]")).to_contain_text("校验链完整")
    page.locator("table tbody a").first.click()
    expect(page.get_by_text("依据规则")).to_be_visible()
    page.get_by_role("button", name="属实").click()
    page.goto(f"{hall.url}/desk/points/supervision?month={month}")
    expect(page.locator(".tag-ok")).to_have_text("属实")
    query = select(col(AuditRow.kind)).where(col(AuditRow.actor) == "staff:s-monitor").order_by(col(AuditRow.seq))
    kinds = hall.store.read_now(lambda read: list(read.session.execute(query).scalars()))
    assert kinds == ["AwardOpened", "AwardOpened", "AwardChecked"]
    page.close()
