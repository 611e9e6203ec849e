"""What runs through the band below the pages, where the operator wants it (`tv_crawl`): titles and first words."""

from __future__ import annotations

from collections.abc import Sequence

from channels.text import cut, one_line
from hub.slides import Slide

NEWS = 40  # what stands before activities and the honour roll
HEADLINE_CHARS_MAX, ALL_CHARS_MAX = 60, 240  # a minute's reading: who comes late need not wait long
BETWEEN = "　　◆　　"


def headlines(shown: Sequence[Slide], lang: str) -> str:
    """The weightier first; nothing beside what covers everything."""
    if any(each.covers for each in shown):
        return ""
    stop = "：" if lang == "zh" else ": "
    said = [
        f"{each.badge} {each.title}{stop}{cut(_first_words(each.text), HEADLINE_CHARS_MAX)}".strip()
        for each in shown
        if each.order < NEWS and each.happens is None and each.text
    ]
    kept = said[:1]
    for each in said[1:]:
        if sum(map(len, kept)) + len(each) <= ALL_CHARS_MAX:
            kept.append(each)
    return BETWEEN.join(kept)


def _first_words(text: str) -> str:
    """Without the salutation: everybody knows whom a community addresses."""
    first, _line, rest = text.strip().partition("\n")
    return one_line(rest if rest.strip() and first.rstrip().endswith(("：", ":", "，", ",")) else text)
