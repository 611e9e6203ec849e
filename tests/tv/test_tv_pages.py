"""What a text becomes on the set: pages that end where a sentence does, and letters set as letters."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message, Rendered
from channels.text import wrap
from channels.tv import NORMAL, PAGES_MAX, Television

PARAGRAPH = st.text(alphabet="停水通知时间范围，。8:0 at", min_size=1, max_size=60).filter(
    lambda text: text.strip() != ""
)


def rendered(title: str, text: str, lang: str = "zh") -> Rendered:
    message = Message(
        "n", 1, "routine", "notice", title, text, "", "居委会", datetime(2026, 11, 22, tzinfo=UTC), None, "", lang
    )
    shown = Television().render(message)
    assert isinstance(shown, Rendered)
    return shown


def test_a_page_ends_where_a_sentence_does_if_there_is_room() -> None:
    text = "尊敬的居民朋友：\n本年度高龄津贴开始年审。\n时间：11月23日至12月2日，每日8:30至17:30。"
    text += "\n对象：本社区80周岁以上居民。\n请携带：身份证。"
    text += "\n温馨提示：行动不便的，网格员上门办理。\n联系电话：0724-1000001"
    pages = [page.lines for page in rendered("高龄津贴年审通知", text).pages]
    assert [len(lines) for lines in pages] == [4, 4, 3]
    assert [lines[-1] for lines in pages[:2]] == ["8:30至17:30。", "理。"]


def test_what_was_written_in_english_only_is_not_set_as_if_each_letter_were_a_character() -> None:
    shown = rendered("Water cut tomorrow morning", "The water is off from 8 to 12 o'clock.")
    assert shown.title == "Water cut tomorrow morning"
    assert shown.pages[0].lines[:2] == ("The water is off from 8 to 12", "o'clock.")


@settings(max_examples=40, deadline=None)
@given(st.lists(PARAGRAPH, min_size=1, max_size=12), st.sampled_from(("zh", "en")))
def test_pages_hold_every_line_once_and_are_as_few_as_can_be(paragraphs: list[str], lang: str) -> None:
    shown = rendered("停水通知", "\n".join(paragraphs), lang)
    chars = NORMAL.line_chars * (1 if lang == "zh" else 2)
    lines = [line for page in shown.pages for line in page.lines]
    every = [*wrap("\n".join(paragraphs), chars), *wrap(f"{shown.issuer}\n{shown.when}", chars)]
    assert len(shown.pages) == -(-len(lines) // NORMAL.page_lines)
    assert all(0 < len(page.lines) <= NORMAL.page_lines for page in shown.pages)
    assert lines == every or (shown.cut and len(lines) == NORMAL.page_lines * PAGES_MAX)
