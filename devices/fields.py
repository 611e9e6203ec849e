"""Fields: what every byte of a frame is, for whoever looks at it (the operator's frame inspector).

`fields(payload, profile)` of a codec answers Fields that cover each byte exactly once, in order, whatever the bytes
are: what cannot be read is a field of the role `unread`. They come from the description that decodes the frame
(layout.py, json_text.py), so that a picture of a frame cannot tell another story than its reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["layout", "status", "time", "value", "context", "identity", "unread"]
"""layout: flags, counters, checksums, punctuation. value: what was measured. context: meal, posture, user number.
identity: what names a person or a thing; the codec drops a person's. unread: bytes nobody could place."""

PRIVATE: frozenset[Role] = frozenset({"value", "context", "identity", "unread"})


@dataclass(frozen=True, slots=True)
class Told:
    """What a field says, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Field:
    """The bytes from `start` to before `end`: what they are called, where that is written, what they say."""

    start: int
    end: int
    name: str  # machine name; a value's is its code (devices/codes.py)
    title: Told
    clause: str
    role: Role
    text: Told

    @property
    def private(self) -> bool:
        """Whether these bytes may tell something of a person: show them only to who may see the reading."""
        return self.role in PRIVATE


_CUT = Told("不完整", "cut short")
_LEFT = Told("多出的字节", "left over")
_UNREAD = Told("未能读取", "Not read")


def unread(start: int, end: int, *, cut: bool = False) -> Field:
    return Field(start, end, "unread", _UNREAD, "", "unread", _CUT if cut else _LEFT)


def covering(found: Iterable[Field], length: int) -> list[Field]:
    """The fields with every gap between them filled by an `unread` one."""
    whole: list[Field] = []
    at = 0
    for each in found:
        if each.start > at:
            whole.append(unread(at, each.start))
        whole.append(each)
        at = each.end
    if at < length:
        whole.append(unread(at, length))
    return whole


def covers(found: Sequence[Field], length: int) -> bool:
    """Whether every byte stands in exactly one field, in order."""
    ends = [0, *(each.end for each in found)]
    return all(each.start == end < each.end for each, end in zip(found, ends, strict=False)) and ends[-1] == length
