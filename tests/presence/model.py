"""A second, tiny description of presence, written from the contract and not from the code: who is on the line, when was
whom heard. Time is counted in ticks, so that states can be compared and memoised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BOUND = 100  # ticks of silence that the profile allows
FAILURES = 3
CONNECTIONS = ("a", "b")
EVENTS = (
    *(f"{what} {who}" for who in CONNECTIONS for what in ("birth", "beat", "sleep", "will")),
    *("reading", "failed", "skewed", "gone", "back", "tick", "silence", "restart"),
)


@dataclass(frozen=True)
class Truth:
    """The world. `open`: connections that are up, the one that speaks for the gateway last. `word`: what it said."""

    open: tuple[str, ...] = ()
    vacant: bool = False  # the speaker's will is out, and nobody has spoken since
    word: str = "never-seen"
    word_at: int = 0
    line_at: int | None = None
    device_at: int | None = None
    failures: int = 0
    skewed: bool = False
    gone: bool = False
    now: int = 0


def possible(truth: Truth, event: str) -> bool:
    """A connection speaks only after its birth, which is the first thing it says; its will is the last."""
    what, _, who = event.partition(" ")
    if what == "birth":
        return who not in truth.open
    return not who or who in truth.open


def after(truth: Truth, event: str) -> Truth:
    what, _, who = event.partition(" ")
    now = truth.now
    if what == "tick":
        return replace(truth, now=now + 1)
    if what == "silence":
        return replace(truth, now=now + BOUND + 1)
    if what in ("reading", "failed", "skewed"):
        failures = truth.failures + 1 if what == "failed" else 0
        return replace(truth, device_at=now, failures=failures, skewed=what == "skewed", gone=False)
    if what in ("gone", "back"):
        return replace(truth, gone=what == "gone")
    return _line(truth, what, who) if who else truth


def _line(truth: Truth, what: str, who: str) -> Truth:
    others = tuple(each for each in truth.open if each != who)
    heard = replace(truth, line_at=truth.now)
    speaks = what == "birth" or truth.vacant or (bool(truth.open) and truth.open[-1] == who)
    if not speaks:
        return replace(heard, open=others) if what == "will" else heard
    word = {"birth": "online", "beat": "online", "sleep": "asleep", "will": "offline"}[what]
    since = truth.word_at if truth.word == word else truth.now
    if what == "will":
        return replace(heard, open=others, vacant=True, word=word, word_at=since)
    return replace(heard, open=(*others, who), vacant=False, word=word, word_at=since)


def state(truth: Truth) -> str:
    """What the operator should read."""
    seen = truth.device_at
    if truth.word in ("offline", "asleep") and (seen is None or seen <= truth.word_at):
        return truth.word
    if truth.gone:
        return "offline"
    if seen is None:
        return "never-seen"
    if truth.word == "never-seen":
        return "offline"
    if truth.now - max(seen, truth.line_at or 0) > BOUND:
        return "offline"
    if truth.skewed:
        return "clock-wrong"
    if truth.failures >= FAILURES:
        return "faulty"
    return "quiet" if truth.now - seen > BOUND else "online"
