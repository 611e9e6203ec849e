"""A notice that two people signed is corrected by two: until then it stands, afterwards it is one notice still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from hub import approval, reach
from hub.audience import Audience
from hub.civic.notices import active, corrections, desk, ladder, rules
from hub.civic.notices.models import Notice, NoticeRelease
from hub.errors import Conflict, NotAllowed, Refused, StillMissing
from tests.notices.office import Office, open_office, words
from tests.world import LIUHE

RIGHT = {"title": "停水通知（更正）", "text": "停水改为后天8:00至12:00。", "priority": "urgent"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def urgent(office: Office) -> Notice:
    made = office.draft(priority="urgent")
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, made.id))
    return office.store.write_now(lambda tx: desk.release(tx, office.second, made.id))


def corrected(office: Office, notice: Notice, **changes: Any) -> Notice:
    given = words(**{**RIGHT, **changes})
    return office.store.write_now(lambda tx: desk.correct(tx, office.staff, notice.id, given))


def now(office: Office, ident: str) -> Notice:
    return office.store.read_now(lambda read: active.notice(read, ident))


def test_until_two_have_signed_the_notice_stands_and_then_it_is_its_next_revision(office: Office) -> None:
    made = urgent(office)
    waits = corrected(office, made)
    assert (waits.state, waits.corrects, waits.revision) == ("draft", made.id, 2)
    assert [each.id for each in office.store.read_now(lambda read: active.notices_of(read, LIUHE))] == [made.id]
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.staff, waits.id))
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    assert now(office, made.id).title == "停水通知"
    with pytest.raises(NotAllowed):
        office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    office.store.write_now(lambda tx: desk.release(tx, office.second, waits.id))
    held = office.store.read_now(lambda read: active.notices_of(read, LIUHE))
    assert [(each.id, each.revision, each.title) for each in held] == [(made.id, 2, RIGHT["title"])]
    assert office.store.read_now(lambda read: read.session.get(Notice, waits.id)) is None
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert sums.audience == 3


def test_what_is_kept_of_the_new_revision_is_what_both_signed(office: Office) -> None:
    made = urgent(office)
    waits = corrected(office, made)
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    office.store.write_now(lambda tx: desk.release(tx, office.director, waits.id))
    kept = office.store.read_now(lambda read: read.session.get_one(NoticeRelease, (made.id, 2)))
    signed = office.store.read_now(lambda read: approval.signatures(read, f"notice:{made.id}:2"))
    assert {each.content_hash for each in signed} == {kept.content_hash, now(office, made.id).content_hash}
    assert kept.signed_by.split() == [each.staff for each in signed] == ["s-staff", "s-director"]
    told = office.store.read_now(lambda read: ladder.standing(read, active.notice(read, made.id)))
    assert told is not None
    assert told[0].revision == 2


def test_a_changed_word_voids_both_signatures_and_there_is_one_correction_at_a_time(office: Office) -> None:
    made = urgent(office)
    waits = corrected(office, made)
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    other = words(**{**RIGHT, "text": "停水改为明天14:00至18:00。"})
    office.store.write_now(lambda tx: desk.revise(tx, office.staff, waits.id, other))
    assert office.store.read_now(lambda read: desk.signatures(read, waits)) == []
    with pytest.raises(Conflict):
        corrected(office, made)
    assert office.store.read_now(lambda read: corrections.open_for(read, made.id)) is not None
    office.store.write_now(lambda tx: desk.discard(tx, office.staff, waits.id))
    assert corrected(office, made).revision == 2


def test_no_correction_makes_one_signature_of_two_and_none_outlives_its_notice(office: Office) -> None:
    made = urgent(office)
    with pytest.raises(Refused):
        corrected(office, made, priority="routine")
    waits = corrected(office, made)
    with pytest.raises(Refused):
        office.store.write_now(
            lambda tx: desk.revise(tx, office.staff, waits.id, words(**{**RIGHT, "priority": "routine"}))
        )
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    office.store.write_now(lambda tx: desk.retract(tx, office.director, made.id, "It was a mistake"))
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: desk.release(tx, office.second, waits.id))
    assert now(office, made.id).state == "retracted"


def test_a_notice_of_one_signature_becomes_urgent_only_by_two(office: Office) -> None:
    made = office.released()
    waits = corrected(office, made)
    assert (waits.state, now(office, made.id).priority) == ("draft", "routine")
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, waits.id))
    office.store.write_now(lambda tx: desk.release(tx, office.second, waits.id))
    assert (now(office, made.id).priority, now(office, made.id).rank) == ("urgent", rules.ORDER["urgent"])


def test_an_emergency_s_correction_lies_over_the_screens_in_its_place(office: Office) -> None:
    made = office.draft(priority="emergency", title="燃气泄漏", audience=Audience((LIUHE,)))
    office.store.write_now(lambda tx: desk.approve(tx, office.publisher, made.id))
    office.store.write_now(lambda tx: desk.release(tx, office.director, made.id))
    given = words(**{**RIGHT, "title": "燃气泄漏：集合点改为东门", "priority": "emergency"})
    waits = office.store.write_now(lambda tx: desk.correct(tx, office.publisher, made.id, given))
    office.clock.advance(60)
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.director, waits.id))
    office.store.write_now(lambda tx: desk.approve(tx, office.publisher, waits.id))
    office.store.write_now(lambda tx: desk.release(tx, office.director, waits.id))
    revisions = select(col(NoticeRelease.revision)).where(col(NoticeRelease.notice) == made.id)
    assert office.store.read_now(lambda read: list(read.session.execute(revisions).scalars())) == [1, 2]
    assert now(office, made.id).expires - now(office, made.id).released_at <= timedelta(hours=12)  # type: ignore[operator]
