"""One person, two people: English sentences with a number in them, said rightly when the number is one.

Chinese has no plural, so a msgid is written for many. Which words follow a number is a closed list: a verb that only
ends in an s must not lose it.
"""

from __future__ import annotations

import re
from typing import Any

_PLURALS = (
    "accounts|activities|acts|alarms|areas|attachments|bytes|characters|claims|days|devices|doors|entries"
    "|files|follow-ups|frames|homes|hours|households|huts|items|kiosks|levels|lines|messages|minutes"
    "|months|neighbours|notices|numbers|objections|openings|people|persons|photos|places|points|postings"
    "|readings|records|reminders|residents|results|seconds|settings|signatures|stars|telephones"
    "|televisions|things|times|tries|visits|years"
)
_ODD = {"people": "person", "persons": "person", "tries": "try", "activities": "activity", "entries": "entry"}
_VERBS = {
    "are": "is",
    "were": "was",
    "have": "has",
    "wait": "waits",
    "need": "needs",
    "come": "comes",
    "stand": "stands",
}
_COUNT = re.compile(
    r"\{(?P<count>\w+)\}(?P<kind>(?: (?:earned|live|more|new|open|ordinary|working))?)"
    rf"(?: (?P<many>{_PLURALS})\b)?(?: (?P<verb>{'|'.join(_VERBS)})\b)?"
)


class Counted(str):
    """A sentence whose `format` looks at its numbers."""

    __slots__ = ()

    def format(self, *given: Any, **named: Any) -> str:
        ones = {name for name, value in named.items() if str(value) == "1"}
        said = (
            _COUNT.sub(lambda found: _one(found) if found["count"] in ones else found[0], self) if ones else str(self)
        )
        return str.format(said, *given, **named)


def counted(sentence: str) -> str:
    """The same sentence, knowing how to count, where there is anything to count in it."""
    counts = any(found["many"] or found["verb"] for found in _COUNT.finditer(sentence))
    return Counted(sentence) if counts else sentence


def _one(found: re.Match[str]) -> str:
    many = found["many"]
    noun = f" {_ODD.get(many, many[:-1])}" if many else ""
    verb = f" {_VERBS[found['verb']]}" if found["verb"] else ""
    return f"{{{found['count']}}}{found['kind']}{noun}{verb}"
