"""The mall, the counter and the office's pages over HTTP: journey S-6 and what it leaves in the budget."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub import directory
from hub.civic.points import budget, ledger, shelf, verify_ledger
from hub.civic.points.why import Why
from hub.db import Tx
from tests.points.hall import Hall, a_hall
from tests.points.ledgers import account, issue
from tests.points.test_points_rewards import HAIRCUT, OTHERS, RICE
from tests.world import CITY, LIUHE, TAYING


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with a_hall(tmp_path_factory.mktemp("mall")) as opened:
        opened.shell.write(_furnish)
        yield opened


def _furnish(tx: Tx) -> None:
    for resident, amount in (("r-wang", 640), ("r-lin", 100)):
        why = Why("award", item="C01", catalogue="jingmen-46@1")
        ledger.post(tx, issue(tx), account(tx, "person", resident), amount, f"start:{resident}", why)
    year = budget.year_of(tx.now(), "Asia/Shanghai")
    for signer in OTHERS:
        budget.grant(tx, LIUHE, year, 7_300, signer)
    shelf.add(tx, LIUHE, RICE)
    shelf.add(tx, LIUHE, HAIRCUT)
    shelf.add(tx, LIUHE, replace(HAIRCUT, zh="法律咨询", en="Legal advice", price=500))
    for ident, role in (("s-office", "points_office"), ("s-super", "supervisor")):
        directory.hire(tx, ident, "白露", f"p-{ident}", [(role, CITY)])


def _ident(text: str, name: str) -> str:
    """The hidden id of the reward's form."""
    found = re.search(rf'{name}.*?name="reward" value="([^"]+)"', text, re.DOTALL)
    assert found
    return found[1]


def test_rice_without_a_phone(hall: Hall) -> None:
    """S-6: card, PIN, rice, and the money is spent. Then the owner says at home: that was not me."""
    desk = hall.enter("s-staff")
    shown, _path = desk.post("/desk/counter/card", "/desk/counter", card="LH-000001")
    assert "640" in shown
    assert "王桂兰" not in shown
    desk.post("/desk/counter/pin", "/desk/counter", card="LH-000001", digits="4711")
    reward = re.search(r'<option value="([^"]+)">Rice', shown)
    assert reward
    form: dict[str, Any] = {"card": "LH-000001", "reward": reward[1], "once": "a" * 16}
    refused, _path = desk.post("/desk/counter/redeem", "/desk/counter", status=403, pin="4712", **form)
    assert "The PIN is wrong" in refused
    desk.post("/desk/counter/redeem", "/desk/counter", status=403, **form)  # neither a PIN nor a colleague
    for _again in range(2):  # a second press hands over nothing more
        done, _path = desk.post("/desk/counter/redeem", "/desk/counter", pin="4711", **form)
        assert "140 points are left" in done
    money = hall.enter("s-office").get(f"/desk/budget?area={LIUHE}")
    assert "10,950.00" in money
    assert "10,925.00" in money
    granny = hall.enter("r-wang", "resident")
    ident = re.search(r"/points/mall/([a-z0-9-]+)/dispute", granny.get("/points/mall"))
    assert ident
    granny.post(f"/points/mall/{ident[1]}/dispute", "/points/mall", said="我没有领")
    assert "我没有领" in desk.get("/desk/counter")


def test_a_resident_redeems_fetches_and_calls_off(hall: Hall) -> None:
    lin, desk = hall.enter("r-lin", "resident"), hall.enter("s-staff")
    page = lin.get("/points/mall", lang="zh")
    assert "积分兑换" in page
    haircut = _ident(page, "理发")
    lin.post("/points/mall", "/points/mall", reward=haircut, once="b" * 22)
    page, _path = lin.post("/points/mall", "/points/mall", reward=haircut, once="b" * 22)
    code = re.search(r'number-s">(\d{3}) (\d{3})<', page)
    assert code
    dear = _ident(page, "Legal advice")
    refused, _path = lin.post("/points/mall", "/points/mall", status=409, reward=dear, once="c" * 22)
    assert "500 points needed, 20 available" in refused
    desk.post("/desk/counter/code", "/desk/counter", status=404, digits="000000" if code[0] != "000000" else "1")
    desk.post("/desk/counter/code", "/desk/counter", digits=f"{code[1]} {code[2]}")
    assert "Fetched" in lin.get("/points/mall")


def test_who_may_see_what(hall: Hall) -> None:
    grid, desk, office = hall.enter("s-grid"), hall.enter("s-staff"), hall.enter("s-office")
    for path in ("/desk/counter", "/desk/budget", "/desk/catalogue", "/desk/proof"):
        grid.get(path, status=403)
    for path in ("/desk/budget", "/desk/catalogue", "/desk/proof"):
        desk.get(path, status=403)
    assert "A01" in office.get("/desk/catalogue")
    assert "Taying" in office.get(f"/desk/budget?area={TAYING}")
    hall.enter("s-director").get(f"/desk/budget?area={TAYING}", status=404)


def test_a_directors_lower_cap_and_a_raised_one(hall: Hall) -> None:
    director = hall.enter("s-director")
    today = re.search(r'type="date" name="since" value="([0-9-]+)"', director.get("/desk/catalogue"))
    assert today
    page, _path = director.post(f"/desk/catalogue/{LIUHE}/B01", "/desk/catalogue", since=today[1], limit="20")
    assert re.search(r'id="B01-1"[^>]*value="20"', page)
    director.post(f"/desk/catalogue/{LIUHE}/B01", "/desk/catalogue", status=422, since=today[1], limit="41")
    director.post(f"/desk/catalogue/{TAYING}/B01", "/desk/catalogue", status=404, since=today[1], limit="20")


def test_money_is_signed_on_the_page_by_three(hall: Hall) -> None:
    where = f"/desk/budget?area={TAYING}"
    year = budget.year_of(hall.store.clock.now(), "Asia/Shanghai")
    form: dict[str, Any] = {"what": "grant", "residents": "100", "city": "50"}
    for ident in ("s-office", "s-super"):
        hall.enter(ident).post(f"/desk/budget/{TAYING}/{year}", where, **form)
    page = hall.enter("s-office").get(where)
    assert "2 of 3 have signed" in page
    hall.enter("s-office").post(f"/desk/budget/{TAYING}/{year}", where, status=403, **form)


def test_anybody_checks_the_files(hall: Hall) -> None:
    auditor, lin = hall.enter("s-super"), hall.enter("r-lin", "resident")
    assert "just now, for the first time" in auditor.get("/desk/proof")
    auditor.post("/desk/proof", "/desk/proof")
    checked = auditor.get("/desk/proof")
    assert "What is checked below holds" in checked
    assert "for the first time" not in checked
    whole = auditor.http.get(f"/desk/proof/{LIUHE}.csv").content
    mine = lin.http.get("/me/points/proof.csv").content
    heads = lin.http.get("/points/heads").text.split()
    for data in (whole, mine):
        assert verify_ledger.verify(data, *heads).startswith("sound")
    assert b"r-wang" not in mine
    assert lin.http.get("/points/verify_ledger.py").content == Path(verify_ledger.__file__).read_bytes()
    assert "option" in auditor.get(f"/desk/proof/{LIUHE}.beancount")


def test_a_counter_leaves_and_comes_back(hall: Hall) -> None:
    lin, desk = hall.enter("r-lin", "resident"), hall.enter("s-staff")
    hall.shell.write(
        lambda tx: ledger.post(
            tx, issue(tx), account(tx, "person", "r-lin"), 100, "more", Why("award", item="C01", catalogue="j@1")
        )
    )
    haircut = _ident(lin.get("/points/mall"), "Haircut")
    page, _path = lin.post("/points/mall", "/points/mall", reward=haircut, once="d" * 22)
    code = re.search(r'number-s">(\d{3}) (\d{3})<', page)
    assert code
    here, _path = desk.post("/desk/counter/offline", "/desk/counter/away", name="Yard")
    assert f">{code[1]}" not in here  # the page knows codes by their marks only
    found = re.search(r'href="(/desk/counter/offline/[a-z0-9-]+)"', here)
    assert found
    path = found[1]
    sheet = desk.get(path)
    field = re.search(r'name="(code-[a-z0-9-]+)"', sheet)
    assert field
    desk.post("/desk/counter/code", "/desk/counter", status=409, digits=code[1] + code[2])
    entered: dict[str, Any] = {field[1]: code[1] + code[2]}
    back, _path = desk.post(path, path, **entered)
    assert "The counter is back" in back


def test_the_api_gives_one_redemption_for_one_key(hall: Hall) -> None:
    lin, token = hall.enter("r-lin", "resident"), hall.api("staff")
    rewards = lin.http.get("/api/v1/points/rewards").json()["items"]
    haircut = next(each["id"] for each in rewards if each["points"] == 80)
    hall.shell.write(
        lambda tx: ledger.post(
            tx, issue(tx), account(tx, "person", "r-lin"), 80, "again", Why("award", item="C01", catalogue="j@1")
        )
    )
    csrf = re.search(r'name="csrf" value="(\w+)"', lin.get("/points/mall"))
    assert csrf
    body, headers = {"account": "person-r-lin", "reward": haircut, "key": "once-for-all"}, {"x-csrf": csrf[1]}
    first, again = (lin.http.post("/api/v1/points/redemptions", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.json()) == (201, first.json())
    made = first.json()
    wrong = token.post(f"/api/v1/points/redemptions/{made['id']}/pickup", json={"code": "999999"})
    assert wrong.status_code in (403, 404)
    right = token.post(f"/api/v1/points/redemptions/{made['id']}/pickup", json={"code": made["code"]})
    assert right.json()["state"] == "picked"
    budgets = hall.api("points_office", CITY).get("/api/v1/budgets").json()["items"]
    assert budgets[0]["granted"] == 1_095_000
