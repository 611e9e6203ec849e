"""Guides behind a real socket: written at the desk, read by anybody, found by words; the fee is never left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from hub import login
from hub.access import Permissions
from hub.audit import AuditRow
from hub.civic.guides import MODULE, book, cards, contacts, pages
from hub.civic.guides.book import Draft
from hub.civic.guides.seed import drafts, numbers
from hub.clock import SystemClock
from hub.errors import Conflict, NotAllowed, Refused
from hub.feed import Feed
from hub.services import Services
from tests.web.shell_world import Shell, running
from tests.world import CITY, LIUHE, TAYING, make_store, people, staff
from web.app import create_app
from web.render import make_render

DRAFT = Draft(
    zh="居住证明", en="Proof of residence", steps_zh="核对住址\n盖章", fee_fen=0, hours_zh="全天", place_zh="一楼"
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("guides")
    store = make_store(folder, clock=SystemClock(), inline=False)  # type: ignore[arg-type]
    store.write_now(people)
    render = make_render((MODULE,), None)
    feed = Feed(store, list(MODULE.topics), render, store.clock)
    store.bus.observe(feed.committed)
    hub = Services(
        store=store, feed=feed, registry=None, ingest=None, clock=store.clock, rng=store.rng,  # type: ignore[arg-type]
        net=httpx.AsyncClient(trust_env=False), permissions=Permissions([MODULE.permissions or {}]),
        modules=(MODULE,), render=render, data=folder,
    )  # fmt: skip
    with running(Shell(None, store, hub, create_app(hub))) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
def desk(shell: Shell) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shell.url, trust_env=False, timeout=30, follow_redirects=True) as client:
        client.cookies.set("linli_staff", shell.token("staff", "staff", "s-director"))
        client.headers["accept-language"] = "en"
        yield client


def form(page: str) -> dict[str, str]:
    """The fields of the page's form as they stand, with its token."""
    fields = dict(re.findall(r'name="(\w+)"[^>]*? value="([^"]*)"', page))
    return fields | dict(re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>([^<]*)<', page))


def test_what_the_desk_writes_anybody_reads_and_what_it_takes_back_nobody(shell: Shell, desk: httpx.Client) -> None:
    blank = form(desk.get("/desk/guides/new").text)
    told = {
        "zh": "换发健康卡",
        "steps_zh": "到小屋\n领新卡",
        "fee": "5.50",
        "days": "3",
        "hours_zh": "上午",
        "place_zh": "小屋",
    }
    assert "5.50 yuan" in desk.post("/desk/guides", data=blank | told).text
    with httpx.Client(base_url=shell.url, trust_env=False, headers={"accept-language": "zh"}) as anybody:
        listed = anybody.get(f"/guides?area={LIUHE}").text
        assert "换发健康卡" in listed
        assert "换发健康卡" in anybody.get(f"/guides?area={LIUHE}&q=小屋").text
        assert "换发健康卡" not in anybody.get(f"/guides?area={LIUHE}&q=天然气").text
        assert "换发健康卡" not in anybody.get(f"/guides?area={TAYING}").text
        [address] = set(re.findall(r"/guides/[0-9a-f-]{36}", listed))
        shown = anybody.get(address).text
        assert [word for word in ("5.50元", "3个工作日", "<li>2. 领新卡</li>") if word not in shown] == []
        ident = address.rsplit("/", 1)[-1]
        page = desk.get(f"/desk/guides/{ident}").text
        desk.post(f"/desk/guides/{ident}/withdraw", data={"csrf": form(page)["csrf"]})
        assert anybody.get(address).status_code == 404
        assert "换发健康卡" not in anybody.get(f"/guides?area={LIUHE}").text
    kinds = select(col(AuditRow.kind)).where(col(AuditRow.kind) == "GuideChanged")
    assert len(shell.store.read_now(lambda read: read.session.execute(kinds).all())) == 2


def test_a_refused_form_comes_back_with_every_word(desk: httpx.Client) -> None:
    blank = form(desk.get("/desk/guides/new").text)
    back = desk.post("/desk/guides", data=blank | {"zh": "一件事", "steps_zh": "第一步", "fee": "twelve"})
    assert back.status_code == 422
    assert "Write the fee in yuan" in back.text
    assert form(back.text)["zh"] == "一件事"
    assert form(back.text)["steps_zh"] == "第一步"


def test_who_was_slower_is_told_and_overwrites_nothing(shell: Shell) -> None:
    director = staff(shell.store, "s-director").with_permissions(Permissions([MODULE.permissions or {}]))
    made = shell.write(lambda tx: book.publish(tx, director, LIUHE, DRAFT).id)
    shell.write(lambda tx: book.change(tx, director, made, replace(DRAFT, phone="0724-1"), 1).rev)
    with pytest.raises(Conflict):
        shell.write(lambda tx: book.change(tx, director, made, DRAFT, 1))
    assert shell.store.read_now(lambda read: book.guide(read, made).phone) == "0724-1"


def test_a_guide_of_the_city_holds_everywhere_and_only_its_own_office_writes_it(shell: Shell) -> None:
    director = staff(shell.store, "s-director").with_permissions(Permissions([MODULE.permissions or {}]))
    with pytest.raises(NotAllowed):
        shell.write(lambda tx: book.publish(tx, director, CITY, DRAFT))
    token = shell.write(lambda tx: login.create_token(tx, "director", CITY))
    body = {
        "area": CITY,
        "title": "社保查询",
        "steps": ["带身份证"],
        "fee_fen": 0,
        "hours": "全天",
        "place": "市民之家",
    }
    with httpx.Client(base_url=shell.url, trust_env=False, headers={"authorization": f"Bearer {token}"}) as client:
        first = client.post("/api/v1/guides", json=body, headers={"idempotency-key": "k1"})
        again = client.post("/api/v1/guides", json=body, headers={"idempotency-key": "k1"})
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()
        free = {key: value for key, value in body.items() if key != "fee_fen"}
        assert client.post("/api/v1/guides", json=free).status_code == 422
        for place in (LIUHE, TAYING):
            titles = [each["title"] for each in client.get(f"/api/v1/guides?area={place}").json()["items"]]
            assert titles.count("社保查询") == 1


def test_a_kiosk_reads_them_and_goes_back_by_itself(shell: Shell) -> None:
    director = staff(shell.store, "s-director").with_permissions(Permissions([MODULE.permissions or {}]))
    for draft in [replace(DRAFT, zh=f"事项{number}") for number in range(10)]:
        shell.write(partial(book.publish, by=director, area=LIUHE, draft=draft))
    with httpx.Client(base_url=shell.url, trust_env=False) as kiosk:
        kiosk.cookies.set("linli_kiosk", shell.token("kiosk", "kiosk", "lh-1", LIUHE))
        first = kiosk.get("/kiosk/-/guides").text
        assert '<noscript><meta http-equiv="refresh" content="60;url=/kiosk/lh-1"></noscript>' in first
        assert 'data-home="/kiosk/lh-1" data-home-s="60"' in first
        assert f"start={pages.KIOSK_MAX}" in first
        assert "事项4" in first + kiosk.get(f"/kiosk/-/guides?start={pages.KIOSK_MAX}").text
        [address, *_more] = re.findall(r"/kiosk/-/guides/[0-9a-f-]{36}", first)
        assert kiosk.get(address).status_code == 200


def test_a_number_stands_everywhere_until_it_is_taken_away(shell: Shell, desk: httpx.Client) -> None:
    blank = form(desk.get("/desk/contacts").text)
    refused = desk.post("/desk/contacts", data=blank | {"zh": "物业", "phone": "call me"})
    assert refused.status_code == 422
    assert form(refused.text)["phone"] == "call me"
    kept = desk.post("/desk/contacts", data=blank | {"zh": "物业值班", "phone": "0724-234 5678转8"}).text
    with httpx.Client(base_url=shell.url, trust_env=False) as anybody:
        assert 'href="tel:07242345678"' in anybody.get(f"/contacts?area={LIUHE}").text
        assert "物业值班" not in anybody.get(f"/contacts?area={TAYING}").text
        anybody.cookies.set("linli_kiosk", shell.token("kiosk", "kiosk", "lh-1", LIUHE))
        assert "物业值班" in anybody.get("/kiosk/-/contacts").text
        [ident] = re.findall(r"/desk/contacts/([0-9a-f-]{36})/drop", kept)
        desk.post(f"/desk/contacts/{ident}/drop", data={"csrf": form(kept)["csrf"]})
        assert "物业值班" not in anybody.get(f"/contacts?area={LIUHE}").text


@settings(max_examples=60)
@given(st.integers(0, book.FEE_FEN_MAX))
def test_yuan_as_they_are_shown_are_the_fen_that_were_meant(fen: int) -> None:
    assert book.fen(cards.yuan(fen)) == fen


@pytest.mark.parametrize("text", ["", "-1", "1,50", "1.234", "１２", "1e3", "abc", "12345678"])
def test_a_fee_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        book.fen(text)


def test_the_demo_s_guides_are_sound_and_whole_in_both_languages(tmp_path: Path) -> None:
    for number in numbers():
        assert contacts.PHONE.fullmatch(number["phone"])
        assert number["en"]
    for each in drafts():
        assert book._sound(each)["zh"]
        assert "" not in (each.en, each.steps_en, each.hours_en, each.place_en)
        assert len(book.lines(each.steps_zh)) == len(book.lines(each.steps_en))
        assert len(book.lines(each.papers_zh)) == len(book.lines(each.papers_en))
