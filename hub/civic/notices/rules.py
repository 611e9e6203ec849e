"""What may be released by whom, what holds now, and what stands on top. Pure: no session, no clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from hub.i18n import N_

PRIORITIES = ("routine", "important", "urgent", "emergency")  # a total order; a drill stands apart
ORDER = {"routine": 1, "important": 2, "urgent": 3, "drill": 4, "emergency": 5}
COVERING = ("emergency", "drill")  # what lies over everything else on a screen
STATES = ("draft", "scheduled", "released", "retracted", "expired", "archived")
LIVE = ("scheduled", "released")  # can be withdrawn
TITLE_CHARS_MAX, TEXT_CHARS_MAX = 60, 4_000  # what the web page shows whole (channels/screen.py)
VALID_DAYS_MAX = 90
ARCHIVED_AFTER_DAYS = 30
# How long a notice stands when nobody says: nothing hangs on a screen for ever.
VALID = {
    "routine": timedelta(days=14),
    "important": timedelta(days=14),
    "urgent": timedelta(days=2),
    "emergency": timedelta(hours=12),
    "drill": timedelta(hours=1),
}
# The permissions whose holders must sign, the most demanding first; each is another person's.
NEEDED: dict[str, tuple[str, ...]] = {
    "routine": ("notices.release",),
    "important": ("notices.release",),
    "urgent": ("notices.release", "notices.release"),
    "drill": ("notices.release", "notices.release"),
    "emergency": ("notices.emergency", "notices.second"),
}
# How loud another office's colour is here; what has no colour we know is looked at as if it were yellow.
RELAYED = {"red": "emergency", "orange": "emergency", "yellow": "urgent", "blue": "important", "": "urgent"}
MISSING = {
    "notices.release": N_("the signature of one more person who may release notices"),
    "notices.emergency": N_("the signature of a duty publisher"),
    "notices.second": N_("the signature of a second duty publisher or a director"),
}
ONE = N_("the signature of somebody who may release notices")
BOTH = N_("the signatures of two people who may release notices")
REASONS = (
    N_("It was a mistake"),
    N_("The matter is settled"),
    N_("Cancelled, a new notice will follow"),
    N_("The exercise is over"),
    N_("The warning is lifted"),
)
UNSCHEDULED = N_("Cancelled before it began")


FOLLOWED_LIKE = ("routine", "important", "urgent")  # ladders an author may choose; what covers screens has its own


class Revised(Protocol):
    id: str
    revision: int
    corrects: str


class Dated(Protocol):
    id: str
    state: str
    rank: int
    released_at: datetime | None
    not_before: datetime | None
    expires: datetime


D = TypeVar("D", bound=Dated)


def parts(priority: str) -> tuple[str, ...]:
    """The named signature parts of a priority: the same permission twice is two parts."""
    return tuple(f"{permission}#{place}" for place, permission in enumerate(NEEDED[priority], start=1))


def free_part(priority: str, taken: Collection[str], held: Collection[str]) -> str | None:
    """The part this person's signature fills: the most demanding one still open that they may give."""
    for part in parts(priority):
        if part not in taken and part.partition("#")[0] in held:
            return part
    return None


def missing(priority: str, taken: Collection[str]) -> tuple[str, ...]:
    """The permissions whose signatures are still needed."""
    return tuple(part.partition("#")[0] for part in parts(priority) if part not in taken)


def lacking(priority: str, taken: Collection[str]) -> tuple[str, ...]:
    """What is still missing, as msgids: the first of two is not "one more"."""
    left = missing(priority, taken)
    if not taken and set(left) == {"notices.release"}:
        return (ONE,) if len(left) == 1 else (BOTH,)
    return tuple(dict.fromkeys(MISSING[each] for each in left))


def signed_as(notice: Revised) -> str:
    """What the signatures of this revision stand under."""
    return f"notice:{notice.corrects or notice.id}:{notice.revision}"


def holds(notice: Dated, now: datetime) -> bool:
    """Whether screens show it at this instant."""
    begun = notice.not_before is None or notice.not_before <= now
    return notice.state == "released" and begun and now < notice.expires


def ordered(notices: Sequence[D]) -> list[D]:
    """Emergency above all, then drill, urgent, important, routine; the newest first; the id decides the rest."""
    return sorted(notices, key=lambda each: (-each.rank, _newest_first(each), each.id))


def _newest_first(notice: Dated) -> float:
    return -notice.released_at.timestamp() if notice.released_at else 0.0
