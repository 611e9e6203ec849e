"""The all-clear: what takes the place of an emergency when it ends, in words that stood ready (promises.md Q13).

In Hawaii in 2018 a false alert stood for 38 minutes because no correction had been written before. Here ending is one
press by one person, and the screens that showed the emergency show its end in the same place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from hub.civic.notices import rules

KIND = "all-clear"
PRIORITY = "important"
VALID = timedelta(hours=12)  # who looks at the phone in the morning must still learn that the night's warning is over
COVERS = timedelta(minutes=2)  # then it is one notice among the others
_REASON = {"It was a mistake": "mistake", "The exercise is over": "exercise"}


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    title_en: str
    text_en: str


@cache
def _written() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(Path(__file__).with_name("allclear.toml").read_text(encoding="utf-8"))


def words(priority: str, reason: str, *, title: str, title_en: str, issuer: str) -> Words:
    """The all-clear of one notice. A drill always ends as a drill, whatever reason was pressed."""
    written = _written()["exercise" if priority == "drill" else _REASON.get(reason, "lifted")]
    zh = {"title": title, "issuer": issuer}
    en = {"title": title_en or title, "issuer": issuer}
    return Words(
        _fits(written["title"], zh),
        written["text"].format(**zh).strip(),
        _fits(written["title_en"], en, most=120),
        written["text_en"].format(**en).strip(),
    )


def _fits(pattern: str, known: Mapping[str, str], most: int = rules.TITLE_CHARS_MAX) -> str:
    """The title with as much of the old one as there is room for: the words around it are what counts."""
    room = most - len(pattern.format(title="", issuer=known["issuer"]))
    old = known["title"]
    return pattern.format(title=old if len(old) <= room else f"{old[: room - 1]}…", issuer=known["issuer"])
