"""The sheet on the wall: the largest type that fits, on one page of the right size, in both sizes and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.notices import desk, fields, kinds, poster
from tests.notices.office_app import make_shell
from tests.notices.test_notice_pages import Desk, Place
from tests.web.shell_world import running

ORDER = [size.name for size in poster.SHEETS["a4"]]


@given(st.text(max_size=300), st.text(max_size=60), st.sampled_from(["a4", "a5"]), st.booleans())
@settings(max_examples=25)
def test_more_words_never_get_larger_type_and_large_type_stays_large(
    text: str, more: str, sheet: str, large: bool
) -> None:
    first, second = poster.type_size(text, sheet, large), poster.type_size(f"{text}\n{more}", sheet, large)
    assert ORDER.index(first) <= ORDER.index(second)
    assert not large or second in ("xl", "l")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    office, shell = make_shell(tmp_path, inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for each in made.clients:
            each.close()


def test_every_kind_fits_on_one_sheet_and_a_long_text_takes_two(place: Place, browser: Any) -> None:
    desk_page = Desk(place, "s-staff")
    longest = max(
        (kind for kind in kinds.every().values() if kind.id != kinds.FREE), key=lambda kind: len(_text(place, kind))
    )
    context = browser.new_context(base_url=place.url)
    context.add_cookies(
        [{"name": "linli_staff", "value": desk_page.http.cookies["linli_staff"], "url": place.url}]
    )  # fmt: skip
    page = context.new_page()
    made = place.office.released(text=_text(place, longest), title=longest.title)
    book = place.office.released(text="\n".join(["请各位居民看好门窗，注意用电安全。" * 4] * 10), title="冬季安全须知")
    for notice, query, sheets, width in (
        (made, "size=a4&text=zh", 1, 595), (made, "size=a5&text=zh", 1, 420), (book, "size=a4&text=zh", 1, 595),
        (book, "size=a4&large=1&text=zh", 3, 595),
    ):  # fmt: skip
        page.goto(f"/desk/notices/{notice.id}/poster?{query}")
        printed = page.pdf(prefer_css_page_size=True)
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
        assert [round(float(box[0])) for box in boxes] == [width] * sheets, query
    context.close()
    place.office.store.write_now(lambda tx: desk.retract(tx, place.office.staff, made.id, "The matter is settled"))


def _text(place: Place, kind: kinds.Kind) -> str:
    now = place.office.clock.now()
    return fields.built(kind, kind.ready(now.date()), now, "Asia/Shanghai").text
