"""The pages and the API of points and activities over HTTP, and live in a browser: from the sheet to the balance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hub.access import declarations
from hub.civic import activities, points
from hub.civic.points import cards, ledger
from hub.directory import give_consent
from tests.conftest import needs
from tests.points.hall import Hall, a_hall
from tests.points.ledgers import crowd
from tests.world import LIUHE, TAYING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with a_hall(tmp_path) as made:
        yield made


def credited(hall: Hall, *who: str, hours: str = "2") -> str:
    """A sheet through the API, submitted by one token and approved by another."""
    body = {"activity": hall.activity(), "rows": [{"account": each, "hours": hours} for each in who]}
    made = hall.api("staff").post("/api/v1/points/sheets", json=body)
    assert made.status_code == 201, made.text
    ident = str(made.json()["id"])
    done = hall.api("director").post(f"/api/v1/points/sheets/{ident}/approve")
    assert done.status_code == 200, done.text
    return ident


def test_every_route_of_both_slices_declares_who_may_come() -> None:
    routes = [route for each in (points, activities) for part in (each.pages, each.api) for route in part.router.routes]
    assert len(routes) > 20
    assert not [route for route in routes if not declarations(route)]


def test_a_sheet_is_kept_signed_and_approved_at_the_desk_without_script(hall: Hall) -> None:
    activity = hall.activity()
    keeper, second = hall.enter("s-staff"), hall.enter("s-director")
    _page, sheet = keeper.post(f"/desk/activities/{activity}/sheet", f"/desk/activities/{activity}")
    found, _path = keeper.post(f"{sheet}/find", sheet, text="王")
    assert "王**" in found
    assert "王桂兰" not in found
    keeper.post(f"{sheet}/add", sheet, account="person-r-wang", hours="2")
    keeper.post(f"{sheet}/add", sheet, account="person-r-boy", hours="1.5")
    page, _path = keeper.post(f"{sheet}/submit", sheet)
    assert "Another member of staff approves it" in page
    refused, _path = keeper.post(f"{sheet}/approve", sheet, 403)
    assert "another person must sign" in refused
    page, _path = second.post(f"{sheet}/approve", sheet)
    assert "Credited: 2 accounts, 35 points" in page
    assert "+20" in hall.enter("r-wang", "resident").get("/me/points")
    assert "+15" in hall.enter("r-lin", "resident").get("/me/points/household")


def test_an_activity_is_announced_and_called_off(hall: Hall) -> None:
    keeper = hall.enter("s-staff")
    form = {"zh": "邻里节", "en": "Fair", "item": "B01", "day": "2027-01-02", "begins": "09:00", "ends": "11:00"}
    home = "/desk/activities"
    wrong, _path = keeper.post(home, home, 422, **{**form, "place_zh": "广场", "ends": "08:00"})
    assert "邻里节" in wrong
    page, path = keeper.post(home, home, **form, place_zh="中心广场")
    assert "B01 General volunteering" in page
    public = httpx.get(f"{hall.url}/activities?area={LIUHE}", trust_env=False)
    assert "邻里节" in public.text
    keeper.post(f"{path}/cancel", path)
    assert "邻里节" not in httpx.get(f"{hall.url}/activities?area={LIUHE}", trust_env=False).text


def test_hostile_text_is_inert(hall: Hall) -> None:
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    keeper = hall.enter("s-staff")
    form = {"zh": hostile, "item": "B01", "day": "2027-01-02", "begins": "09:00", "ends": "11:00", "place_zh": hostile}
    page, path = keeper.post("/desk/activities", "/desk/activities", **form)
    for text in (
        page,
        keeper.get("/desk/activities"),
        httpx.get(f"{hall.url}/activities?area={LIUHE}", trust_env=False).text,
    ):
        assert "<script>alert" not in text
        assert "{{ 7*7 }}" in text
    assert path.startswith("/desk/activities/")


def test_the_api_answers_with_accounts_a_statement_and_the_catalogue(hall: Hall) -> None:
    sheet = credited(hall, "r-wang", "household-h-lin")
    api = hall.api("staff")
    found = api.get("/api/v1/points/accounts", params={"owner": "r-wang"}).json()["items"]
    assert [(each["id"], each["kind"], each["balance"]) for each in found] == [("person-r-wang", "person", 20)]
    empty = api.get("/api/v1/points/accounts", params={"owner": "r-lin"}).json()["items"]
    assert [(each["id"], each["balance"]) for each in empty] == [("person-r-lin", 0)]
    lines = api.get("/api/v1/points/accounts/person-r-wang/statement").json()["items"]
    assert (lines[0]["points"], lines[0]["reference"]) == (20, f"sheet:{sheet}:r-wang")
    page = hall.enter("r-wang", "resident").http.get("/me/points").text
    assert f"流水号 {lines[0]['number']}" in page
    assert "sheet:" not in page, "how the ledger knows an entry is nothing to read out at a counter"
    assert len(api.get("/api/v1/points/catalogue").json()["items"]) == 46
    assert api.get("/api/v1/activities").json()["items"][0]["item"] == "C01"


def test_an_approval_sent_again_credits_nothing_more(hall: Hall) -> None:
    sheet = credited(hall, "r-wang")
    for role in ("director", "staff"):
        assert hall.api(role).post(f"/api/v1/points/sheets/{sheet}/approve").json()["state"] == "approved"
    found = hall.api("staff").get("/api/v1/points/accounts", params={"owner": "r-wang"}).json()["items"]
    assert found[0]["balance"] == 20


def test_a_token_cannot_approve_its_own_sheet_nor_leave_its_place(hall: Hall) -> None:
    api = hall.api("staff")
    body = {"activity": hall.activity(), "rows": [{"account": "r-wang", "hours": 2}]}
    first = api.post("/api/v1/points/sheets", json=body, headers={"idempotency-key": "k1"})
    again = api.post("/api/v1/points/sheets", json=body, headers={"idempotency-key": "k1"})
    assert first.json() == again.json()
    refused = api.post(f"/api/v1/points/sheets/{first.json()['id']}/approve")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    elsewhere = hall.api("director", TAYING)
    assert elsewhere.post(f"/api/v1/points/sheets/{first.json()['id']}/approve").status_code == 403
    assert elsewhere.get("/api/v1/points/accounts", params={"owner": "r-wang"}).status_code == 404


def test_nobody_sees_a_neighbours_points(hall: Hall) -> None:
    credited(hall, "r-wang", "r-lin")
    lin = hall.enter("r-lin", "resident")
    assert lin.http.get("/api/v1/points/accounts?owner=r-lin").json()["items"][0]["balance"] == 20
    for path in ("accounts?owner=r-wang", "accounts/person-r-wang/statement", "accounts/household-h-wang/statement"):
        assert lin.http.get(f"/api/v1/points/{path}").status_code == 404
    feed = hall.shell.services.feed
    assert feed.may_watch(_resident("r-lin", "h-lin"), "points.home:r-lin")
    for topic in ("points.home:r-wang", "points.statement:r-wang", "points.household:h-wang"):
        assert not feed.may_watch(_resident("r-lin", "h-lin"), topic)
    assert httpx.get(f"{hall.url}/me/points", trust_env=False).status_code in (303, 401)


def _resident(ident: str, home: str) -> object:
    from hub.access import Subject

    return Subject(ident, "resident", household=home, person=ident)


def test_points_are_shared_once_however_often_the_button_is_pressed(hall: Hall) -> None:
    credited(hall, "r-wang")
    wang, page = hall.enter("r-wang", "resident"), "/me/points/household"
    once = re.search(r'name="once" value="(\w+)"', wang.get(page))
    assert once
    for _press in range(3):
        wang.post("/me/points/share", page, way="give", points="5", once=once[1])
    wang.post("/me/points/share", page, 409, way="give", points="500", once="0123456789abcdef")
    wang.post("/me/points/share", page, 422, way="give", points="-5", once="0123456789abcdef")
    wang.post("/me/points/share", page, 403, way="draw", points="5", once="0123456789abcdef")
    wang.post("/me/points/agree", page)
    wang.post("/me/points/share", page, way="draw", points="2", once="0123456789abcdeg")
    held = hall.store.read_now(lambda read: ledger.held(read, ["person-r-wang", "household-h-wang"]))
    assert [each.balance for each in held.values()] == [3, 17]


def test_the_honour_roll_names_only_who_agreed_and_masked(hall: Hall) -> None:
    credited(hall, "r-wang", "r-lin")
    hall.shell.write(lambda tx: give_consent(tx, "r-wang", "honour_roll", cards.HONOUR_VERSION, "oral"))
    hall.shell.write(lambda tx: tx.touch("points.tv", LIUHE))
    page = httpx.get(f"{hall.url}/tv/{LIUHE}", trust_env=False).text
    assert "王**" in page
    assert "林**" not in page
    assert "王桂兰" not in page
    assert "2 个账户" not in page  # a group of two is nobody else's business


@needs("chromium")
def test_an_approval_changes_the_balance_on_the_phone_and_the_tv_without_reload(hall: Hall, browser: Browser) -> None:
    from playwright.sync_api import expect

    hall.shell.write(lambda tx: crowd(tx, 10))
    credited(hall, "r-wang")
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    context.add_cookies(
        [{"name": "linli_resident", "value": hall.shell.token("resident", "resident", "r-wang"), "url": hall.url}]
    )
    try:
        phone, tv = context.new_page(), context.new_page()
        phone.goto(f"{hall.url}/")
        figure, roll = phone.locator(".card-brand .number"), tv.locator("ul[data-live^='points.tv'] .tv-body").first
        expect(figure).to_have_text("20")
        tv.goto(f"{hall.url}/tv/{LIUHE}")
        expect(roll).not_to_contain_text("30 分")
        credited(hall, *(f"r-c{each:04d}" for each in range(10)), "r-wang", hours="1")
        expect(figure).to_have_text("30", timeout=10_000)
        expect(roll).to_contain_text("11 个账户，共 110 分", timeout=10_000)
        box = phone.evaluate(
            "() => { const n = document.querySelector('.card-brand .number').getBoundingClientRect();"
            " const p = document.querySelector('.card-brand > p').getBoundingClientRect(); return [n.bottom, p.top]; }"
        )
        assert box[0] <= box[1], json.dumps(box)
    finally:
        context.close()
