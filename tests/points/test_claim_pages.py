"""The pages and the API of claims over HTTP: from the form with its photo to the why of the entry."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.audit import AuditRow
from hub.civic.points import certificates, ledger
from hub.civic.points.why import Why
from hub.directory import Organisation
from tests.points.claimants import PHOTOS
from tests.points.hall import Hall, Visitor, a_hall
from tests.points.ledgers import account, issue
from tests.world import LIUHE


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with a_hall(tmp_path_factory.mktemp("claims")) as made:
        made.shell.write(
            lambda tx: directory.hire(tx, "s-monitor", "田和", "p-tian", [("supervisor", LIUHE)], title_zh="监委会")
        )
        yield made


def today(hall: Hall) -> str:
    return hall.store.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date().isoformat()


def send(visitor: Visitor, path: str, photo: str = "", **fields: str) -> httpx.Response:
    """The form of a page with its file, as a browser sends it."""
    found = re.search(r'name="csrf" value="(\w+)"', visitor.get(path))
    assert found
    files = (
        {"photo": (photo, (PHOTOS / photo).read_bytes(), "image/jpeg")}
        if photo
        else {"photo": ("", b"", "application/octet-stream")}
    )
    return visitor.http.post(path, data={"csrf": found[1], **fields}, files=files, headers={"accept-language": "en"})


def test_a_claim_with_a_photo_walks_from_the_phone_over_two_desks_to_the_statement(hall: Hall) -> None:
    wang, keeper, second = hall.enter("r-wang", "resident"), hall.enter("s-staff"), hall.enter("s-director")
    sent = send(
        wang, "/me/points/claims/new", "clean.jpg", item="C03", day=today(hall), words="扫了楼道", whose="person"
    )
    assert sent.status_code == 200, sent.text[:500]
    path = sent.url.path
    assert "Waiting for verification" in sent.text
    assert "待核实" in wang.get(path, lang="zh")
    shown = re.search(r'src="(/me/points/claims/[^"]+)"', sent.text)
    assert shown
    assert wang.http.get(shown[1]).content.startswith(b"\xff\xd8\xff")
    assert hall.enter("r-lin", "resident").http.get(shown[1]).status_code == 404
    ident = path.rsplit("/", 1)[1]
    desk = f"/desk/points/claims/{ident}"
    assert "王**" in keeper.get("/desk/points")
    assert "王桂兰" not in keeper.get(desk)
    keeper.post(f"{desk}/verify", desk)
    refused, _path = keeper.post(f"{desk}/approve", desk, 403)
    assert "another person must sign" in refused
    page, _path = second.post(f"{desk}/approve", desk)
    assert "Credited to the account" in page
    statement = wang.get("/me/points")
    entry = re.search(r'href="(/me/points/entries/[^"]+)"', statement)
    assert entry
    why = wang.get(entry[1])
    for word in ("C03", "jingmen-46@1", "The claim with its photos", "Community worker; Director"):
        assert word in why
    assert hall.enter("r-lin", "resident").http.get(entry[1]).status_code == 404
    said, _path = wang.post(f"{entry[1]}/object", entry[1], words="应为两周")
    assert "Being looked into" in said
    assert "应为两周" in second.get("/desk/points")


def test_the_desk_claims_for_somebody_and_reminds_twice_before_it_deducts(hall: Hall) -> None:
    keeper = hall.enter("s-grid")
    page = send(
        keeper,
        "/desk/points/claims/new",
        owner="LH-000001",
        item="C09",
        day=today(hall),
        words="报修路灯",
        number="T-7",
    )
    assert page.status_code == 200, page.text[-1500:]
    assert "Declared by" in page.text
    mine = hall.enter("r-wang", "resident").get("/me/points/claims")
    assert "Verified snap report" in mine
    refused = send(keeper, "/desk/points/claims/new", owner="LH-000001", item="D07", day=today(hall), words="堆物")
    assert refused.status_code == 409
    assert "Two written reminders come first; 0 have been given" in refused.text
    done, _path = keeper.post("/desk/points/reminders", "/desk/points/claims/new", owner="LH-000001", item="D07")
    assert "on record" in done


def test_the_api_declares_verifies_approves_returns_and_repeats_nothing(hall: Hall) -> None:
    staff, director = hall.api("staff"), hall.api("director")
    body = {
        "item": "B07", "account": "household-h-wang", "date": today(hall), "words": "捐衣",
        "evidence": [base64.b64encode((PHOTOS / "other.jpg").read_bytes()).decode()],
    }  # fmt: skip
    grid = hall.api("grid_worker")
    made = grid.post("/api/v1/points/claims", json=body, headers={"idempotency-key": "k1"})
    assert made.status_code == 201, made.text
    again = grid.post("/api/v1/points/claims", json=body, headers={"idempotency-key": "k1"})
    assert again.json() == made.json()
    path = f"/api/v1/points/claims/{made.json()['id']}"
    early = director.post(f"{path}/approve")
    assert (early.status_code, early.headers["content-type"]) == (409, "application/problem+json")
    assert staff.post(f"{path}/verify").json()["state"] == "verified"
    assert staff.post(f"{path}/verify").json()["state"] == "verified"
    done = [director.post(f"{path}/approve").json() for _n in range(2)]
    assert [each["state"] for each in done] == ["posted", "posted"]
    assert director.get("/api/v1/points/accounts", params={"owner": "h-wang"}).json()["items"][0]["balance"] == 10
    other = grid.post("/api/v1/points/claims", json={**body, "account": "person-r-lin", "evidence": ["R-9"]}).json()
    back = staff.post(f"/api/v1/points/claims/{other['id']}/return", json={"reason": "缺收据"}).json()
    assert (back["state"], back["reason"]) == ("returned", "缺收据")


def test_points_go_to_a_neighbour_and_come_back_before_they_arrive(hall: Hall) -> None:
    activity = hall.activity()
    body = {"activity": activity, "rows": [{"account": "r-wang", "hours": "2"}]}
    sheet = hall.api("staff").post("/api/v1/points/sheets", json=body).json()["id"]
    hall.api("director").post(f"/api/v1/points/sheets/{sheet}/approve")
    wang = hall.enter("r-wang", "resident")
    page = wang.get("/me/points/transfers")
    once = re.search(r'name="once" value="([^"]{32})"', page)
    assert once
    page, _path = wang.post("/me/points/transfers", "/me/points/transfers", card="LH-000002", points="7", once=once[1])
    assert "arrives" in page
    assert "-7" in wang.get("/me/points")
    cancel = re.search(r'action="(/me/points/transfers/[^"]+/cancel)"', page)
    assert cancel
    page, _path = wang.post(cancel[1], "/me/points/transfers")
    assert "taken back" in page
    refused, _path = wang.post(
        "/me/points/transfers", "/me/points/transfers", 404, card="XX-1", points="7", once="x" * 32
    )
    assert "Nobody has a card with that number" in refused


def test_the_slip_and_the_public_notice_are_drawn_in_both_languages(hall: Hall) -> None:
    wang = hall.enter("r-wang", "resident")
    assert "对账小票" in wang.get("/me/points/slip", lang="zh")
    assert "王桂兰" not in wang.get("/me/points/slip", lang="zh")
    public = httpx.get(f"{hall.url}/points/notice?area={LIUHE}", trust_env=False)
    assert "目前没有公示" in public.text


def test_a_stranger_checks_a_certificate_by_its_number_and_sees_no_whole_name(hall: Hall) -> None:
    why = Why("award", "B01", "jingmen-46@1", hall.store.clock.now().date())
    hall.shell.write(lambda tx: ledger.post(tx, issue(tx), account(tx, "person", "r-wang"), 345, "cert:wang", why))
    wang, desk = hall.enter("r-wang", "resident"), hall.enter("s-staff")
    _page, path = wang.post("/me/points/certificate", "/me/points/certificate", kind="honour")
    paper = wang.get(path, lang="zh")
    assert "荣誉证书" in paper
    assert "王桂兰" in paper
    _page, again = wang.post("/me/points/certificate", "/me/points/certificate", kind="honour")
    assert again == path  # the same figures are the same certificate
    link = re.search(r"/certificates/([0-9a-z]{12})<", paper)
    assert link
    seen = httpx.get(f"{hall.url}/certificates/{link[1].upper()}", trust_env=False)
    assert (seen.status_code, "王**" in seen.text, "桂兰" in seen.text) == (200, True, False)
    wrong = httpx.get(f"{hall.url}/certificates/{'0' * 12}", trust_env=False)
    assert wrong.status_code == 404
    printed, _path = desk.post(
        "/desk/points/accounts/person-r-wang/certificate", "/desk/points/accounts/person-r-wang", kind="service"
    )
    served = hall.store.read_now(lambda read: certificates.standing(read, "r-wang")).minutes / 60
    assert served >= 34.5
    assert f"{served:g} hours" in printed
    hall.enter("r-lin", "resident").get(path, status=404)


def test_a_keeper_acts_for_an_organisation_on_the_phone_and_the_desk_ends_it(hall: Hall) -> None:
    """Entered at the desk by the card, a claim and a gift in its name, each on record with whom it was for."""
    desk, wang = hall.enter("s-director"), hall.enter("r-wang", "resident")
    hall.shell.write(lambda tx: tx.session.add(Organisation(id="o-drum", area=LIUHE, zh="腰鼓队", en="Drum club")))
    account_page, team = "/desk/points/accounts/organisation-o-drum", "/me/points/teams/o-drum"
    assert "Nobody yet." in desk.get(account_page)
    assert wang.http.get(team).status_code == 404
    wrong, _path = desk.post(f"{account_page}/keepers", account_page, 404, card="LH-999999", role="keeper")
    assert "Nobody has a card with that number" in wrong
    entered, _path = desk.post(f"{account_page}/keepers", account_page, card="LH-000001", role="keeper")
    assert "王** · Person in charge" in entered
    assert "Acting for" in wang.get("/me/points")
    assert "You are acting for Drum club, as: Person in charge" in wang.get(team)
    form = wang.get("/me/points/claims/new?whose=organisation-o-drum")
    assert 'value="organisation-o-drum" checked' in form
    made = send(
        wang, "/me/points/claims/new", item="C11", day=today(hall), words="共建服务", number="GJ-9",
        whose="organisation-o-drum",
    )  # fmt: skip
    assert made.status_code == 200
    ident = made.url.path.rsplit("/", 1)[1]
    for who, verb in (("s-staff", "verify"), ("s-director", "approve")):
        page = f"/desk/points/claims/{ident}"
        hall.enter(who).post(f"{page}/{verb}", page)
    assert "+30" in wang.get(team)
    gift = re.search(r'name="once" value="(\w{32})"', wang.get(team))
    assert gift
    given, path = wang.post(f"{team}/gift", team, points="10", once=gift[1])
    assert path == team
    assert "arrives" in given
    rows = hall.store.read_now(
        lambda read: read.session.execute(select(AuditRow).where(col(AuditRow.kind) == "TransferMoved")).scalars().all()
    )
    assert [(row.actor, row.on_behalf_of) for row in rows][-1] == ("resident:r-wang", "o-drum")
    assert "LH-" not in given
    taken = re.search(r'action="(/desk/points/accounts/organisation-o-drum/keepers/[^"]+/end)"', desk.get(account_page))
    assert taken
    desk.post(taken[1], account_page)
    assert wang.http.get(team).status_code == 404
