"""The desk and the readers' pages, over HTTP: compose, preview, publish, withdraw; and hostile text that stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import login, reach
from hub.audience import Audience
from tests.notices.office import Office
from tests.notices.office_app import make_shell
from tests.web.shell_world import running
from tests.world import LIUHE, TAYING

HOSTILE = '"><script>alert(1)</script>{{ 7*7777 }}<img src=x onerror=alert(2)>'


@dataclass
class Place:
    office: Office
    url: str
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, **more: Any) -> httpx.Client:
        self.clients.append(httpx.Client(base_url=self.url, trust_env=False, timeout=30, **more))
        return self.clients[-1]

    def api(self, role: str, area: str = LIUHE) -> httpx.Client:
        token = self.office.store.write_now(lambda tx: login.create_token(tx, role, area))
        return self.client(headers={"authorization": f"Bearer {token}"})


class Desk:
    """A signed-in browser without script."""

    def __init__(self, place: Place, ident: str, kind: str = "staff") -> None:
        surface = "staff" if kind == "staff" else "resident"
        token = place.office.store.write_now(lambda tx: login.open_session(tx, surface, kind, ident, proved=True))
        self.http = place.client(follow_redirects=True)
        self.http.cookies.set(f"linli_{surface}", token)

    def get(self, path: str, status: int = 200) -> str:
        reply = self.http.get(path, headers={"accept-language": "en"})
        assert reply.status_code == status, reply.text[:500]
        return reply.text

    def post(self, path: str, page: str, status: int = 200, **fields: object) -> tuple[str, str]:
        found = re.search(r'name="csrf" value="(\w+)"', self.get(page))
        assert found
        reply = self.http.post(path, data={"csrf": found[1], **fields}, headers={"accept-language": "en"})
        assert reply.status_code == status, reply.text[:500]
        return reply.text, reply.url.path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    office, shell = make_shell(tmp_path, inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for each in made.clients:
            each.close()


FORM = {"kind": "water", "priority": "routine", "title": "停水通知", "text": "明天停水。", "areas": LIUHE}


def test_a_notice_is_written_previewed_published_and_withdrawn_without_script(place: Place) -> None:
    desk = Desk(place, "s-staff")
    assert "停水通知" in desk.get("/desk/notices/new?kind=water")
    shown, _path = desk.post("/desk/notices/preview", "/desk/notices/new", **FORM)
    for word in ("Reaches 3 residents in 2 households", "TV", "Kiosk", "WeChat", "A4 poster", "<dt>Issuer</dt>"):
        assert word in shown
    page, path = desk.post("/desk/notices", "/desk/notices/new", do="release", **FORM)
    assert "Shown on 0 TVs, seen by 0 people" in page
    ident = path.rsplit("/", 1)[-1]
    assert "停水通知" in desk.get("/desk")
    poster = desk.get(f"/desk/notices/{ident}/poster")
    assert "<svg" in poster
    resident = Desk(place, "r-wang", "resident")
    for page_of in ("/", "/notices", f"/n/{ident}"):
        assert "停水通知" in resident.get(page_of)
    sums = place.office.store.read_now(lambda read: reach.sums(read, ident))
    assert dict(sums.best) == {"seen": 1}
    desk.post(f"/desk/notices/{ident}/retract", path, reason="It was a mistake")
    assert "停水通知" not in resident.get("/notices")
    assert "停水通知" in resident.get(f"/n/{ident}", 410)


def test_what_was_typed_is_never_lost_when_something_is_wrong(place: Place) -> None:
    desk = Desk(place, "s-staff")
    shown, _path = desk.post("/desk/notices", "/desk/notices/new", 422, **{**FORM, "title": "", "text": "写了很久"})
    assert "写了很久" in shown
    assert "A title has 1 to 60 characters" in shown


def test_an_urgent_notice_is_published_by_the_second_person(place: Place) -> None:
    desk, second = Desk(place, "s-staff"), Desk(place, "s-second")
    page, path = desk.post("/desk/notices", "/desk/notices/new", do="release", **{**FORM, "priority": "urgent"})
    assert "Still missing" in page
    page, _path = desk.post(f"{path}/approve", path)
    assert "You have signed; another person must sign too" in page
    page, _path = second.post(f"{path}/release", path)
    assert "Shown on 0 TVs" in page


def test_hostile_text_is_inert_on_every_page_and_fragment(place: Place) -> None:
    made = place.office.released(title=HOSTILE[:60], text=HOSTILE, issuer=HOSTILE[:60], contact=HOSTILE[:60],
                           title_en=HOSTILE, text_en=HOSTILE)  # fmt: skip
    desk, resident = Desk(place, "s-staff"), Desk(place, "r-wang", "resident")
    pages = [desk.get(path) for path in ("/desk", f"/desk/notices/{made.id}", f"/desk/notices/{made.id}/poster")]
    pages += [resident.get(path) for path in ("/", "/notices", f"/n/{made.id}", f"/tv/{LIUHE}")]
    hostile = {**FORM, "title": HOSTILE[:60], "text": HOSTILE}
    shown, _path = desk.post("/desk/notices/preview", "/desk/notices/new", **hostile)
    for html in (*pages, shown):
        assert "&lt;script&gt;" in html
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "54439" not in html  # a small product stands in every clock once an hour


BODY = {"kind": "water", "title": "停水通知", "text": "明天停水。", "audience": {"areas": [LIUHE]}}


def test_the_api_drafts_approves_releases_retracts_and_counts(place: Place) -> None:
    one, other = place.api("staff"), place.api("staff")
    made = one.post("/api/v1/notices", json={**BODY, "priority": "urgent"})
    assert made.status_code == 201
    assert made.json()["state"] == "draft"
    at = f"/api/v1/notices/{made.json()['id']}"
    missing = one.post(f"{at}/release")
    assert missing.status_code == 409
    assert missing.headers["content-type"].startswith("application/problem+json")
    assert other.post(f"{at}/approve").json()["missing"] == ["notices.release"]
    assert one.post(f"{at}/release").json()["state"] == "released"
    counted = one.get(f"{at}/reach").json()
    assert counted == {"audience": 3, "best": {}, "channels": {}, "screens": {}}
    assert [each["id"] for each in one.get("/api/v1/notices").json()["items"]] == [made.json()["id"]]
    assert one.post(f"{at}/retract", json={"reason": "mistake"}).json()["state"] == "retracted"


def test_a_repeat_with_the_same_key_drafts_nothing_new(place: Place) -> None:
    http = place.api("staff")
    key = {"Idempotency-Key": "k1"}
    first = http.post("/api/v1/notices", json=BODY, headers=key)
    again = http.post("/api/v1/notices", json=BODY, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    other = http.post("/api/v1/notices", json={**BODY, "title": "另一个"}, headers=key)
    assert other.status_code == 422
    assert len(http.get("/api/v1/notices").json()["items"]) == 1


def test_the_api_keeps_to_the_tokens_place(place: Place) -> None:
    http = place.api("staff")
    assert http.post("/api/v1/notices", json={**BODY, "audience": {"areas": [TAYING]}}).status_code == 403
    made = place.office.released(audience=Audience((TAYING,)))
    assert http.get(f"/api/v1/notices/{made.id}").status_code == 404
    assert http.get(f"/api/v1/notices/{made.id}/reach").status_code == 404
    assert place.client().get("/api/v1/notices").status_code == 401


def test_the_public_key_of_the_board_is_public(place: Place) -> None:
    [key] = place.client().get("/api/v1/board-keys").json()["keys"]
    assert set(key) == {"id", "alg", "public"}
    assert json.dumps(key)
