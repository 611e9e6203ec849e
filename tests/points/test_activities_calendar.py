"""Activities as a calendar: what RFC 5545 asks for, whatever is written in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.activities import calendar, programme
from hub.civic.activities.models import Activity
from hub.directory import Area
from tests.points.hall import Hall, a_hall
from tests.world import LIUHE, TAYING, staff

START = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
PLACE = Area(code=LIUHE, kind="community", zh="浏河社区", en="Liuhe", parent=None, path=LIUHE)
AWKWARD = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\\;,\n\r\u2028\x00清洁日🎉")), max_size=80
)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with a_hall(tmp_path) as made:
        yield made


def activity(number: int, zh: str, place: str, state: str = "planned") -> Activity:
    return Activity(
        id=f"a-{number}", area=LIUHE, zh=zh, item="C01", starts=START, ends=START + timedelta(hours=2), place_zh=place,
        state=state, published_by="s", published_at=START,
    )  # fmt: skip


def properties(body: bytes) -> list[tuple[str, str]]:
    """A reader of its own: unfold, then part name and value."""
    assert body.endswith(b"\r\n")
    lines = body.decode().replace("\r\n ", "").split("\r\n")[:-1]
    return [(line.partition(":")[0], line.partition(":")[2]) for line in lines]


def unescaped(value: str) -> str:
    out, chars = "", iter(value)
    for char in chars:
        out += {"n": "\n"}.get(follows := next(chars), follows) if char == "\\" else char
    return out


@given(st.lists(st.tuples(AWKWARD, AWKWARD, st.sampled_from(["planned", "cancelled"])), max_size=4))
@settings(max_examples=40, deadline=None)
def test_whatever_is_written_it_comes_out_of_a_reader_as_it_went_in(written: list[tuple[str, str, str]]) -> None:
    made = [activity(number, *each) for number, each in enumerate(written)]
    body = calendar.calendar(PLACE, made, "https://linli.example", "zh")
    for line in body.split(b"\r\n"):
        assert len(line) <= calendar.LINE_OCTETS_MAX
        line.decode()  # no character is cut in two
        assert b"\n" not in line
        assert b"\r" not in line
    found = properties(body)
    assert (found[0], found[-1]) == (("BEGIN", "VCALENDAR"), ("END", "VCALENDAR"))
    assert [name for name, _ in found].count("BEGIN") == 1 + len(made)
    summaries = [unescaped(value) for name, value in found if name == "SUMMARY"]
    assert summaries == [calendar.one_line(each.zh) for each in made]
    states = [value for name, value in found if name == "STATUS"]
    assert states == ["CANCELLED" if each.state == "cancelled" else "CONFIRMED" for each in made]
    for name in ("UID", "DTSTAMP", "DTSTART", "DTEND"):
        assert [key for key, _ in found].count(name) == len(made)


@pytest.mark.parametrize("before", range(4))
def test_a_long_line_is_folded_between_two_characters(before: int) -> None:
    line = "SUMMARY:" + "-" * before + "清洁日🎉" * 40
    parts = calendar.folded(line).split(b"\r\n")[:-1]
    assert max(map(len, parts)) <= calendar.LINE_OCTETS_MAX
    assert "".join(part.decode() for part in parts).replace(" ", "") == line


def test_a_phone_subscribes_to_its_community_s_activities_and_sees_what_was_called_off(hall: Hall) -> None:
    ident = hall.activity()
    resident = hall.enter("r-lin", "resident")
    page = resident.get("/activities")
    assert f'href="/feeds/{LIUHE}.ics?lang=en"' in page
    reply = resident.http.get(f"/feeds/{LIUHE}.ics", headers={})
    assert reply.headers["content-type"].startswith("text/calendar")
    found = dict(properties(reply.content))
    assert (found["SUMMARY"], found["STATUS"], found["UID"]) == ("周六清洁日", "CONFIRMED", f"{ident}@linli")
    tag = reply.headers["etag"]
    assert resident.http.get(f"/feeds/{LIUHE}.ics", headers={"if-none-match": tag}).status_code == 304
    hall.shell.write(lambda tx: programme.cancel(tx, staff(hall.store, "s-staff"), ident))
    again = resident.http.get(f"/feeds/{LIUHE}.ics", headers={"if-none-match": tag})
    assert (again.status_code, dict(properties(again.content))["STATUS"]) == (200, "CANCELLED")
    assert "SUMMARY" not in dict(properties(resident.http.get(f"/feeds/{TAYING}.ics").content))
    assert resident.http.get("/feeds/1.ics").status_code == 404
