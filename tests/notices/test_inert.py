"""No word of a notice is ever markup: the shape of every page and fragment is the same whatever a field says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from channels import discover
from channels.base import Message, Rendered
from hub.civic.notices import MODULE
from hub.civic.notices.attachments import Attachment
from hub.civic.notices.cards import Shown
from hub.civic.notices.revisions import changes
from web.render import make_render

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
RENDER = make_render((MODULE,), None)
WRITTEN = ("title", "text", "issuer", "contact")
PIECES = [
    "<script>alert(1)</script>", "</p></div>", '"><img src=x onerror=alert(1)>', "{{ 7*7777 }}", "{% raw %}", "${7*7}",
    "javascript:alert(1)", "<!--", "]]>", "&lt;b&gt;", "%00", "\u202e", "'", "`", "停水", "a b",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join) | st.text(min_size=1, max_size=30)
PLAIN = Shown(
    id="n-1", rev=1, priority="important", priority_word="重要", tag="info", state="released", state_word="已发布",
    kind="停水", title="停水", text="停水", issuer="居委会", contact="12345", at=NOW, expires=NOW, tz="Asia/Shanghai",
    files=(Attachment("0" * 64, "a.png", "image/png", 9), Attachment("1" * 64, "b.pdf", "application/pdf", 9)),
)  # fmt: skip


class Skeleton(HTMLParser):
    """Elements and names of attributes, in order; and every address, which must stay ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # A text of several lines is several paragraphs on a TV and on paper: how many says nothing.
        if tag != "p":
            self.shape.append((tag, tuple(name for name, _value in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_comment(self, data: str) -> None:
        self.shape.append(("comment", ()))


def drawn(item: Shown) -> dict[str, Skeleton]:
    common: dict[str, Any] = {"item": item, "items": [item], "more": 0, "count": 1, "notice": item, "fragments": {}}
    changed = changes("停水", item.text)
    made = {
        name: RENDER(f"notices/{name}.html", common, "zh")
        for name in ("home", "list", "tv", "overlay", "cover", "kiosk")
    }
    parts = (
        '{% from "notices/_parts.html" import files, foot, pieces_of, priority with context %}'
        "{{ priority(item) }}{{ foot(item) }}{{ files(item, item.url) }}{{ pieces_of(changed[-1:]) }}"
    )
    made["parts"] = RENDER.environment.from_string(parts).render(**common, changed=changed)
    return {name: Skeleton(html) for name, html in made.items()}


SHAPES = drawn(replace(PLAIN, text="电"))


@given(st.sampled_from(WRITTEN), HOSTILE)
@settings(max_examples=25)
def test_no_field_is_markup_on_any_screen(name: str, said: str) -> None:
    files = (replace(PLAIN.files[0], name=said), PLAIN.files[1])
    for where, found in drawn(replace(PLAIN, **{name: said}, files=files)).items():
        wanted = [each for each in SHAPES[where].shape if each[0] not in ("ins", "del")]
        assert [each for each in found.shape if each[0] not in ("ins", "del")] == wanted, where
        assert all(link.startswith(("/n/n-1", "/notices", "/kiosk/-/notices")) for link in found.links), where


@given(st.sampled_from(("title", "text", "issuer", "area_name")), HOSTILE, st.booleans())
@settings(max_examples=25)
def test_every_channel_passes_words_on_as_words(name: str, said: str, large: bool) -> None:
    """Nothing is interpreted on the way: no template runs, no entity is made, and control characters are gone."""
    message = Message(
        "n-1", 1, "important", "water", "停水", "停水", "浏河社区", "居委会", NOW, None, "/n/n-1", lang="zh"
    )  # fmt: skip
    for file in discover().values():
        examples = {setting.name: setting.example for setting in file.SETTINGS}
        shown = file.create(examples, None, None).render(replace(message, **{name: said}), large)  # type: ignore[arg-type]
        if not isinstance(shown, Rendered):
            continue
        whole = "\n".join(
            [
                shown.title,
                shown.body,
                shown.issuer,
                *(v for _n, v in shown.fields),
                *(x for p in shown.pages for x in p.lines),
            ]
        )
        assert "54439" not in whole
        assert not re.search("[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]", whole)
        if "&" not in said:
            assert "&lt;" not in whole
