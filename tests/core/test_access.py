"""Access: deny by default, within an area path, and nobody signs twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from hub import approval, login
from hub.access import ROLES, Grant, Permissions, Subject, covers
from hub.clock import ManualClock
from hub.errors import Conflict, NotAllowed
from hub.module import discover
from tests.world import CITY, DISTRICT, LIUHE, START, STREET, make_store

LIUHE_PATH = f"{CITY}/{DISTRICT}/{STREET}/{LIUHE}"
codes = st.lists(st.sampled_from(["420800000000", "420802000000", "420802001000", "420802002001"]), max_size=4)


@given(codes, codes)
def test_a_grant_covers_its_own_branch_and_nothing_else(granted: list[str], asked: list[str]) -> None:
    assert covers("/".join(granted), "/".join(asked)) == (asked[: len(granted)] == granted)


def test_a_code_that_only_begins_alike_is_not_below() -> None:
    assert not covers("420802", "420802002001")


def test_a_permission_nobody_declared_is_held_by_nobody() -> None:
    permissions = Permissions([{"notices.draft": ("staff",)}])
    for role in ROLES:
        who = Subject(id="x", kind="staff", grants=(Grant(role, ""),)).with_permissions(permissions)
        assert not who.may("notices.release")
        assert who.may("notices.draft") == (role == "staff")


def test_a_misspelt_role_stops_the_start() -> None:
    with pytest.raises(ValueError, match="unknown roles"):
        Permissions([{"notices.draft": ("stuff",)}])


def test_every_slice_declares_only_known_roles() -> None:
    assert Permissions(module.permissions or {} for module in discover()).names()


def _signer(ident: str, person: str, household: str | None = None) -> Subject:
    return Subject(id=ident, kind="staff", person=person, household=household)


def test_two_parts_need_two_natural_persons(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    content = {"rows": [["r-wang", 2]]}
    store.write_now(lambda tx: approval.sign(tx, "sheet:1", "submit", content, _signer("s-1", "p-1")))
    with pytest.raises(NotAllowed):
        store.write_now(lambda tx: approval.sign(tx, "sheet:1", "approve", content, _signer("s-1b", "p-1")))
    parts = store.write_now(lambda tx: approval.sign(tx, "sheet:1", "approve", content, _signer("s-2", "p-2")))
    assert [part.part for part in parts] == ["submit", "approve"]


def test_content_changed_after_the_first_part_voids_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.write_now(lambda tx: approval.sign(tx, "sheet:1", "submit", {"hours": 2}, _signer("s-1", "p-1")))
    with pytest.raises(Conflict):
        store.write_now(lambda tx: approval.sign(tx, "sheet:1", "approve", {"hours": 3}, _signer("s-2", "p-2")))


def test_nobody_signs_for_their_own_household(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with pytest.raises(NotAllowed):
        store.write_now(
            lambda tx: approval.sign(
                tx, "sheet:1", "approve", {}, _signer("s-1", "p-1", "h-1"), beneficiary_households={"h-1"}
            )
        )


def test_sessions_whose_time_is_over_are_forgotten_a_page_at_a_time(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = make_store(tmp_path, clock=clock)
    for visit in range(3):
        store.write_now(lambda tx, visit=visit: login.open_session(tx, "staff", "staff", f"s-{visit}"))  # type: ignore[misc]
    clock.advance(3_600 * login.SESSION_HOURS["staff"] + 1)
    store.write_now(lambda tx: login.open_session(tx, "staff", "staff", "s-today"))
    assert [store.write_now(lambda tx: login.prune(tx, limit=2)) for _page in range(2)] == [True, False]
    left = store.read_now(lambda read: read.session.execute(select(login.SessionRow)).scalars().all())
    assert [row.subject for row in left] == ["s-today"]
    store.close()
