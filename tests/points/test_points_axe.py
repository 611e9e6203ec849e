"""The pages of points have no axe finding, fit, and can be pressed: in large type for residents, the desk as usual."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hub import directory
from hub.access import Subject
from hub.civic.points import budget, claims, counter, ledger, shelf, teams
from hub.civic.points.claims import Draft
from hub.civic.points.rewards import Asked
from hub.civic.points.shelf import New
from hub.civic.points.why import Why
from hub.db import Tx
from hub.directory import Organisation
from tests.conftest import needs
from tests.points.hall import a_hall
from tests.points.ledgers import account, issue
from tests.web.test_pages import DESK, PHONE, check
from tests.world import LIUHE, permissions

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ELDER, PLAIN = "elder", "normal"
VIEWS = (
    ("/me/points/teams/o-drum", "r-wang", ELDER), ("/points/mall", "r-wang", ELDER),
    ("/me/points/claims/new", "r-wang", PLAIN), ("/desk/points", "s-director", PLAIN),
    ("/desk/points/accounts/organisation-o-drum", "s-director", PLAIN), ("/desk/counter", "s-staff", PLAIN),
    ("/desk/points/supervision", "s-monitor", PLAIN), ("/desk/points/office", "s-office", PLAIN),
    ("/desk/budget", "s-office", PLAIN), ("/desk/proof", "s-office", ELDER),
)  # fmt: skip


def of_staff(tx: Tx, ident: str) -> Subject:
    person = tx.session.get_one(directory.Staff, ident).person
    made = Subject(id=ident, kind="staff", grants=directory.grants(tx, ident), person=person)
    return made.with_permissions(permissions())


def furnish(tx: Tx) -> None:
    """Something to read on every page: money, a shelf, a keeper, a claim, and a witness who has not spoken."""
    directory.hire(tx, "s-monitor", "田和", "p-tian", [("supervisor", LIUHE)], title_zh="监委会")
    directory.hire(tx, "s-office", "丁原", "p-ding", [("points_office", LIUHE)], title_zh="积分办")
    tx.session.add(Organisation(id="o-drum", area=LIUHE, zh="腰鼓队", en="Drum club"))
    tx.session.flush()
    desk, beside, office, monitor = (of_staff(tx, each) for each in ("s-staff", "s-director", "s-office", "s-monitor"))
    why = Why("award", item="C11", catalogue="jingmen-46@1")
    for kind, owner in (("person", "r-wang"), ("organisation", "o-drum")):
        ledger.post(tx, issue(tx), account(tx, kind, owner), 300, f"start:{owner}", why)
    year = budget.year_of(tx.now(), "Asia/Shanghai")
    for signer in (beside, office, monitor):
        budget.grant(tx, LIUHE, year, 7_300, signer)
    rice = shelf.add(tx, LIUHE, New("goods", "大米5kg", "Rice", 60, fen=2_500, stock=4, organisations=True)).id
    teams.enter(tx, desk, "o-drum", "r-wang", "keeper")
    granny = counter.by_card(tx, "LH-000001", LIUHE)
    counter.redeem_here(tx, granny, rice, "witnessed", Asked(desk, "s-director"))
    today = tx.now().date()
    claims.declare(tx, desk, Draft("person", "r-lin", "C03", today, "扫了楼道"))


@needs("chromium")
def test_the_pages_of_points_have_no_axe_finding_and_fit(browser: Browser, tmp_path: Path) -> None:
    with a_hall(tmp_path) as hall:
        hall.shell.write(furnish)
        context = browser.new_context(locale="zh-CN", service_workers="block")
        context.set_default_timeout(30_000)
        page = context.new_page()
        for path, ident, mode in VIEWS:
            kind = "resident" if ident.startswith("r-") else "staff"
            size = PHONE if kind == "resident" else DESK
            token = hall.shell.token(kind, kind, ident)
            cookies = {f"linli_{kind}": token, "linli_mode": mode}
            context.add_cookies([{"name": name, "value": value, "url": hall.url} for name, value in cookies.items()])
            page.set_viewport_size({"width": size[0], "height": size[1]})
            answer = page.goto(hall.url + path)
            assert answer is not None
            assert answer.status == 200, path
            check(page, f"{path} {mode}", size, 30 if kind == "staff" else 60 if mode == ELDER else 44)
        context.close()
