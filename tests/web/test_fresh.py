"""Fresh authentication: what two people answer for asks each for the password of the last five minutes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from hub import login
from hub.audience import Audience
from hub.audit import AuditRow
from hub.civic.notices import active, desk
from hub.civic.notices.models import Notice, NoticeRelease
from hub.db import Read, Tx
from hub.errors import LinliError, NotMarked, ProveAgain
from hub.fresh import FRESH, is_fresh, require
from tests.notices.office import Office, open_office, words
from tests.notices.office_app import make_shell
from tests.web.shell_world import running
from tests.world import LIUHE, START

PASSWORD = "a long pass phrase"
TYPED = '\n第一行\n"><b>第二行</b>'


@dataclass
class House:
    office: Office
    http: httpx.Client

    def as_(self, ident: str, *, proved: bool = False) -> None:
        """From now on this browser is that member of staff, signed in by a one-time code unless `proved`."""
        token = self.office.store.write_now(lambda tx: login.open_session(tx, "staff", "staff", ident, proved=proved))
        self.http.cookies.set("linli_staff", token)

    def press(self, path: str, **fields: object) -> httpx.Response:
        """Send a form of the desk with the session's own token."""
        page = self.http.get("/desk").text
        csrf = re.search(r'name="linli-csrf" content="(\w+)"', page)
        assert csrf, page[:300]
        return self.http.post(path, data={"csrf": csrf[1], **fields})

    def emergency(self) -> str:
        """A draft of the publisher's that two people must sign."""
        return self.office.draft(priority="emergency", audience=Audience((LIUHE,))).id

    def state(self, ident: str) -> str:
        return self.office.store.read_now(lambda read: active.notice(read, ident).state)


def hidden(page: str) -> list[tuple[str, str]]:
    """What a browser would send back of the page's hidden fields: it drops the first newline of each."""
    found = re.findall(r'<textarea name="([^"]*)" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    return [(unescape(name), unescape(value)) for name, value in found]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    office, shell = make_shell(tmp_path_factory.mktemp("fresh"), inline=False)
    for name in ("s-publisher", "s-director", "s-second"):
        office.store.write_now(lambda tx, name=name: login.set_password(tx, name, "staff", name, PASSWORD))  # type: ignore[misc]
    with running(shell), httpx.Client(base_url=shell.url, trust_env=False, timeout=30) as http:
        http.headers["accept-language"] = "en"
        yield House(office, http)


def asked_of(house: House, staff: str) -> list[str]:
    """What the audit log says of this person's passwords, oldest first."""
    rule = select(AuditRow).where(col(AuditRow.kind) == "PasswordAsked", col(AuditRow.subject) == staff)
    rows = house.office.store.read_now(lambda read: read.session.exec(rule.order_by(col(AuditRow.seq))).all())
    return [row.detail for row in rows]


def test_an_emergency_is_signed_with_a_fresh_password_and_what_was_typed_goes_on(house: House) -> None:
    ident = house.emergency()
    at = f"/desk/notices/{ident}"
    house.as_("s-publisher")
    asked = house.press(f"{at}/approve", note=TYPED)
    assert (asked.status_code, asked.headers["content-type"][:9]) == (403, "text/html")
    assert hidden(asked.text) == [("note", TYPED)]
    action = re.search(r'action="([^"]*)"', asked.text)
    assert action
    wrong = house.press(unescape(action[1]), note=TYPED, **{"prove-password": "guessed"})
    assert wrong.status_code == 403
    assert "That is not your password" in wrong.text
    assert hidden(wrong.text) == [("note", TYPED)]
    assert house.office.store.read_now(lambda read: desk.signatures(read, active.notice(read, ident))) == []
    right = house.press(unescape(action[1]), note=TYPED, **{"prove-password": PASSWORD})
    assert (right.status_code, right.headers["location"]) == (303, at)
    assert asked_of(house, "s-publisher") == [
        '{"proved":false,"staff":"s-publisher"}',
        '{"proved":true,"staff":"s-publisher"}',
    ]
    house.as_("s-director", proved=True)
    assert house.press(f"{at}/release").status_code == 303
    assert house.state(ident) == "released"
    house.as_("s-director")  # hours later: to end it asks for nothing
    assert house.press(f"{at}/retract", reason="It was a mistake").status_code == 303
    assert house.state(ident) == "retracted"


def test_a_program_is_told_by_a_code_and_an_unmarked_token_signs_no_emergency(house: House) -> None:
    ident = house.emergency()
    at = f"/api/v1/notices/{ident}"
    store, browser = house.office.store, house.http
    house.as_("s-publisher")
    csrf = re.search(r'name="linli-csrf" content="(\w+)"', browser.get("/desk").text)
    assert csrf
    said = browser.post(f"{at}/approve", headers={"x-csrf": csrf[1]})
    assert (said.status_code, said.json()["type"]) == (403, "/problems/prove-again")

    def by_token(role: str, verb: str, *, marked: bool) -> httpx.Response:
        token = store.write_now(lambda tx: login.create_token(tx, role, LIUHE, emergencies=marked))
        return httpx.post(
            f"{str(browser.base_url).rstrip('/')}{at}/{verb}",
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        )

    refused = by_token("publisher", "approve", marked=False)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/token-not-marked")
    assert by_token("publisher", "approve", marked=True).status_code == 200
    assert by_token("director", "release", marked=True).json()["state"] == "released"


def test_ten_wrong_passwords_make_even_the_right_one_wait(house: House) -> None:
    ident = house.emergency()
    for _ in range(login.TRIES_MAX):
        house.office.store.write_now(lambda tx: login.settle_try(tx, "s-second", False))
    house.as_("s-second")
    reply = house.press(f"/desk/notices/{ident}/approve?prove=1", note=TYPED, **{"prove-password": PASSWORD})
    assert reply.status_code == 403
    assert "Too many wrong passwords" in reply.text
    assert hidden(reply.text) == [("note", TYPED)]


def test_signing_in_by_password_is_fresh_and_by_a_code_is_not(house: House) -> None:
    def proved() -> bool:
        token = house.http.cookies["linli_staff"]
        store = house.office.store
        who = store.read_now(lambda read: login.subject_of(read, token, "staff"))
        return who is not None and is_fresh(who, store.clock.now())

    house.http.cookies.clear()
    form = {"name": "s-publisher", "password": PASSWORD}
    assert house.http.post("/login?surface=staff", data=form).status_code == 303
    assert proved()
    code = house.office.store.write_now(lambda tx: login.issue_code(tx, "staff", "staff", "s-publisher"))
    assert house.http.get(f"/login?code={code}").status_code == 303
    assert not proved()


def test_a_proof_lasts_five_minutes_and_not_from_the_future(tmp_path: Path) -> None:
    office = open_office(tmp_path, followers={})
    store = office.store
    token = store.write_now(lambda tx: login.open_session(tx, "staff", "staff", "s-publisher", proved=True))

    def fresh_at(at: timedelta) -> bool:
        who = store.read_now(lambda read: login.subject_of(read, token, "staff"))
        assert who is not None
        return is_fresh(who, START + at)

    second = timedelta(seconds=1)
    assert [fresh_at(at) for at in (timedelta(0), FRESH - second, FRESH, -second)] == [True, True, False, False]
    office.clock.advance(3600)
    store.write_now(lambda tx: login.note_proof(tx, token))
    assert fresh_at(timedelta(hours=1))
    store.close()


def test_no_proof_is_no_signature_whoever_asks(tmp_path: Path) -> None:
    office = open_office(tmp_path, followers={})
    nobody = replace(office.publisher, proved_at=None)
    with pytest.raises(ProveAgain):
        require(nobody, START, emergency=False)
    with pytest.raises(NotMarked):
        require(replace(nobody, kind="token"), START, emergency=True)
    made = office.draft(priority="emergency")
    for verb in (desk.approve, desk.release):
        with pytest.raises(ProveAgain):
            office.store.write_now(lambda tx, verb=verb: verb(tx, nobody, made.id))  # type: ignore[misc]
    office.store.close()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = open_office(tmp_path_factory.mktemp("quiet"), followers={})
    yield office
    office.store.close()


STEP = st.one_of(
    st.tuples(st.just("sign"), st.integers(0, 3)),
    st.tuples(st.just("release"), st.integers(0, 3)),
    st.tuples(st.just("prove"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.tuples(st.just("change"), st.just(0)),
)


@settings(max_examples=16)
@given(st.lists(STEP, max_size=9))
def test_an_emergency_goes_out_by_two_fresh_people_over_the_same_words_or_not_at_all(
    quiet: Office, steps: list[tuple[str, int]]
) -> None:
    people = [quiet.publisher, quiet.second_publisher, quiet.director, quiet.staff]
    people = [replace(each, proved_at=None) for each in people]
    made = quiet.draft(priority="emergency", audience=Audience((LIUHE,)))
    for step, (verb, number) in enumerate(steps):
        if verb == "prove":
            people[number] = replace(people[number], proved_at=quiet.clock.now())
        elif verb == "wait":
            quiet.clock.advance(number * 90)
        elif verb == "change":
            change = words(priority="emergency", title=f"停水通知{step}")
            _try(quiet, lambda tx, to=change: desk.revise(tx, quiet.staff, made.id, to))  # type: ignore[misc]
        else:
            act = desk.approve if verb == "sign" else desk.release
            who, before = people[number], _standing(quiet, made)
            went = _try(quiet, lambda tx, act=act, who=who: act(tx, who, made.id))  # type: ignore[misc]
            assert is_fresh(who, quiet.clock.now()) or not went
            assert went or _standing(quiet, made) == before
        state, signed, released = _standing(quiet, made)
        assert len({person for person, _hash in signed}) == len(signed) <= 2
        assert len({digest for _person, digest in signed}) <= 1
        assert released == ([digest for _person, digest in signed[:1]] if state == "released" else [])
        assert state == "draft" or len(signed) == 2


def _try(office: Office, act: Callable[[Tx], object]) -> bool:
    try:
        office.store.write_now(act)
    except LinliError:
        return False
    return True


def _standing(office: Office, made: Notice) -> tuple[str, list[tuple[str, str]], list[str]]:
    """The notice's state, who has signed which content, and the content that went out."""

    def look(read: Read) -> tuple[str, list[tuple[str, str]], list[str]]:
        found = active.notice(read, made.id)
        signed = [(each.person, each.content_hash) for each in desk.signatures(read, found)]
        mine = select(NoticeRelease).where(col(NoticeRelease.notice) == made.id)
        return found.state, signed, [each.content_hash for each in read.session.exec(mine)]

    return office.store.read_now(look)
