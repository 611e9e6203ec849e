"""Dead letters: why they died, sending them again, and whose they were only for a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from channels.base import Accepted, Dead
from hub import delivery, letters, reach
from hub.audit import AuditRow
from hub.civic.notices import desk, letters_pages
from hub.errors import NotFound, Refused
from hub.i18n import speaking
from hub.outbox import Outbox
from tests.notices.office import NAMES, Office, open_office
from tests.notices.test_notice_pages import Desk, Place, place  # noqa: F401 - the fixture of a served office
from tests.world import CITY, START, TAYING

HERE = (f"{CITY}",)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def died(office: Office, why: str = "a field breaks the rule of its template", **changes: object) -> str:
    """A notice whose two deliveries both die."""
    made = office.released(**changes)
    office.spread()
    batch = office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 10))
    office.store.write_now(lambda tx: delivery.settle(tx, batch, [Dead(why)] * len(batch)))
    return made.id


def replay(office: Office, notice: str) -> int:
    return office.store.write_now(lambda tx: letters.replay(tx, HERE, channel="wechat", notice=notice))


def keys(office: Office, state: str) -> list[str]:
    rows = select(col(Outbox.key)).where(col(Outbox.state) == state).order_by(col(Outbox.key))
    return list(office.store.read_now(lambda read: read.session.execute(rows).scalars().all()))


def test_letters_lie_in_piles_by_channel_notice_and_reason(office: Office) -> None:
    notice = died(office)
    [pile] = office.store.read_now(lambda read: letters.piles(read, HERE))
    assert (pile.notice, pile.channel, pile.count, pile.again) == (notice, "wechat", 2, 2)
    assert pile.title == "停水通知"
    assert office.store.read_now(lambda read: letters.piles(read, (TAYING,))) == []
    with speaking("zh"):
        assert letters_pages.reason(pile.why) == "模板字段不符合要求"
        assert letters_pages.reason("given up after 8 tries: WeChat is busy") == "尝试 8 次后放弃：微信系统繁忙"


def test_sent_again_twice_it_goes_once_and_under_its_first_key(office: Office) -> None:
    notice = died(office)
    before = keys(office, "dead")
    assert [replay(office, notice), replay(office, notice)] == [2, 0]
    batch = office.store.write_now(lambda tx: delivery.claim(tx, "wechat", 10))
    assert sorted(each.delivery.idempotency_key for each in batch) == before
    office.store.write_now(lambda tx: delivery.settle(tx, batch, [Accepted("m")] * 2))
    assert keys(office, "accepted") == before
    rows = select(AuditRow).where(col(AuditRow.kind) == "LettersReplayed")
    assert len(office.store.read_now(lambda read: read.session.execute(rows).scalars().all())) == 1


@pytest.mark.parametrize("how", ["withdrawn", "expired", "corrected", "in force"])
def test_nothing_is_sent_again_once_the_notice_is_over(office: Office, how: str) -> None:
    notice = died(office, expires=START + timedelta(hours=1))
    [first, *_rest] = office.store.read_now(lambda read: letters.letters(read, HERE, "wechat", notice))
    if how == "withdrawn":
        office.store.write_now(lambda tx: desk.retract(tx, office.staff, notice, "It was a mistake"))
    elif how == "expired":
        office.clock.advance(3_601)
    elif how == "corrected":
        office.store.write_now(lambda tx: reach.open_notice(tx, notice, 2, [CITY], 3))
    one = office.store.write_now(lambda tx: letters.replay(tx, HERE, letter=first.id))
    assert (one, replay(office, notice)) == ((1, 1) if how == "in force" else (0, 0))
    assert len(keys(office, "planned")) == (2 if how == "in force" else 0)


def test_a_name_takes_a_reason_and_both_are_on_record(office: Office) -> None:
    notice = died(office)
    [one, *_rest] = office.store.read_now(lambda read: letters.letters(read, HERE, "wechat", notice))
    assert not any(name in repr(one) for name in NAMES)
    with pytest.raises(Refused):
        office.store.write_now(lambda tx: letters.addressee(tx, HERE, one.id, "curious"))
    with pytest.raises(NotFound):
        office.store.write_now(lambda tx: letters.addressee(tx, (TAYING,), one.id, "tell"))
    named = office.store.write_now(lambda tx: letters.addressee(tx, HERE, one.id, "tell"))
    assert named.name in NAMES
    rows = select(AuditRow).where(col(AuditRow.kind) == "LetterOpened")
    [entry] = office.store.read_now(lambda read: read.session.execute(rows).scalars().all())
    assert (entry.subject, '"reason":"tell"' in entry.detail, named.name in entry.detail) == (one.id, True, False)


def test_the_page_says_why_and_shows_a_name_only_on_the_answer_to_a_reason(place: Place) -> None:  # noqa: F811
    notice = died(place.office)
    staff, operator = Desk(place, "s-staff"), Desk(place, "s-operator")
    pages = [staff.get("/desk/letters"), staff.get(f"/desk/letters/wechat/{notice}")]
    assert "a field breaks the rule of its template" in pages[0]
    [first, *_rest] = place.office.store.read_now(lambda read: letters.letters(read, HERE, "wechat", notice))
    here = f"/desk/letters/wechat/{notice}"
    answer, _path = staff.post(f"{here}/{first.id}/who", here, reason="tell")
    assert any(name in answer for name in NAMES)
    assert not any(name in page for page in [*pages, staff.get(here)] for name in NAMES)
    operator.post(f"{here}/{first.id}/who", here, status=403, reason="tell")
    assert (
        "2 messages are on their way again"
        in operator.post("/desk/letters/again", "/desk/letters", channel="wechat", notice=notice)[0]
    )
    assert "Nothing is left lying" in staff.get("/desk/letters")
