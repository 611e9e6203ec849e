"""How a channel file brings its own proof: settings, examples and recorded exchanges, run by one table test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from channels.base import Message, Outcome, Priority, Rendered, Skip


@dataclass(frozen=True)
class Setting:
    name: str
    reason: str
    example: str = field(repr=False)
    default: str | None = None  # None: has to be given
    secret: bool = False


SENT_AT = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)  # when the examples' notice went out: 9:30 in Jingmen


def water(text: str, priority: Priority = "urgent") -> Message:
    """The notice that most examples are about."""
    link = "https://linli.example/n/n-1"
    return Message("n-1", 1, priority, "notice", "停水通知", text, "浏河社区", "浏河社区居委会", SENT_AT, None, link)


@dataclass(frozen=True)
class Example:
    """This message reads so on this channel."""

    message: Message
    reads: Rendered | Skip
    large: bool = False


@dataclass(frozen=True)
class Step:
    """One question the channel must ask (`asks` is a part of its JSON body) and how the far end answers."""

    path: str
    answer: Mapping[str, object] | str = ""
    asks: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Literal["", "time-out", "refused", "reset"] = ""


@dataclass(frozen=True)
class Exchange:
    claim: str
    steps: tuple[Step, ...]
    outcome: Outcome
    address: str = field(default="address-1", repr=False)  # where an address has a form of its own
