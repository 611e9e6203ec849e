"""JSON as devices send it: read strictly, written exactly, and every byte of it named.

What a lenient reader would guess at (a key that stands twice, NaN, text that is not UTF-8, a thousand brackets) is
refused with one sentence. Numbers become Decimal: 36.6 is not 36.600000000000001.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from devices.base import DecodeError
from devices.fields import Field, Role, Told, unread

PAYLOAD_BYTES_MAX = 131_072  # the largest payload the front door lets in
DEPTH_MAX = 16
DIGITS_MAX = 20  # a number of 5,000 digits is no number of ours, and Python itself would refuse it with another error
EXPONENT_MAX = 12

Path: TypeAlias = tuple[str, ...]
"""The way to a value: keys, and places in lists as digits."""

# A whole string or one bracket. The closing quote may be missing and nothing is given back, so that 128 KiB of quotes
# and backslashes are read once and not once per quote.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_ECHOED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def parse(payload: bytes, *, depth_max: int = DEPTH_MAX, floats: Callable[[str], Any] = Decimal) -> object:
    """What stands there; DecodeError and nothing else for whatever is not JSON."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise DecodeError("too-large", got=len(payload), limit=PAYLOAD_BYTES_MAX)
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError("not-utf8") from None
    refuse_deep(text, depth_max)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_int, parse_float=floats
        )
    except DecodeError:
        raise
    except json.JSONDecodeError as broken:
        raise DecodeError("bad-json", position=broken.pos) from None


def refuse_deep(text: str, depth_max: int) -> None:
    """Before the parser sees it: 100,000 opening brackets would exhaust its stack."""
    depth = 0
    for token in _BRACKETS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > depth_max:
                raise DecodeError("too-deep", limit=depth_max)
        elif token[0] in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise DecodeError("duplicate-key", key=name if _ECHOED.fullmatch(name) else "?")
        found[name] = value
    return found


def _refuse_constant(token: str) -> NoReturn:
    raise DecodeError("not-finite", token=token)


def _int(digits: str) -> int:
    return int(digits) if len(digits) <= DIGITS_MAX else 10**DIGITS_MAX


def build(value: object) -> bytes:
    """The shortest JSON of it; a Decimal keeps its digits."""
    return _text(value).encode()


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return (
            "{"
            + ",".join(f"{json.dumps(str(key), ensure_ascii=False)}:{_text(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(_text(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def way(text: str) -> Path:
    return tuple(text.split(".")) if text else ()


ABSENT = object()


def at(root: object, path: Path) -> object:
    """What stands at the end of the way, or ABSENT."""
    for step in path:
        if isinstance(root, dict):
            root = root.get(step, ABSENT)
        elif isinstance(root, list) and step.isdigit() and int(step) < len(root):
            root = root[int(step)]
        else:
            return ABSENT
    return root


def put(root: dict[str, Any], path: Path, value: object) -> None:
    """Set it, making the objects and lists on the way. A list is only ever grown by one."""
    here: Any = root
    for step, after in zip(path, (*path[1:], None), strict=True):
        if isinstance(here, list):
            place = int(step)
            if place == len(here):
                here.append(None)
            step = place  # type: ignore[assignment]
        elif step not in here:
            here[step] = None
        if after is None:
            here[step] = value
        elif here[step] is None:
            here[step] = [] if after.isdigit() else {}
        here = here[step]


def number(value: object, field: str) -> Decimal:
    """A JSON number or a text that is one, as many gateways send it ("108"), within what can be measured."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise DecodeError("not-a-number", field=field)
    try:
        found = Decimal(value) if not isinstance(value, str) else _plain(value, field)
    except ArithmeticError:
        raise DecodeError("not-a-number", field=field) from None
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > EXPONENT_MAX or found.adjusted() > EXPONENT_MAX:
        raise DecodeError("not-a-number", field=field)
    if exponent > 0:
        found = found.quantize(Decimal(1))
    return found if found else abs(found)


def _plain(text: str, field: str) -> Decimal:
    if not re.fullmatch(r"\s*[+-]?\d{1,20}(\.\d{1,20})?\s*", text, re.ASCII):
        raise DecodeError("not-a-number", field=field)
    return Decimal(text.strip())


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that is no container, with its key."""

    path: Path
    start: int  # of the key, or of the value in a list
    end: int
    value: object


def leaves(payload: bytes) -> Iterator[Leaf]:
    """Every leaf of a payload that `parse` has accepted, with its place in the bytes."""
    text = payload.decode("latin-1")  # byte for byte: UTF-8 above 127 stands in strings only
    stack: list[list[Any]] = []  # [is object, key or place, where the key began]
    after_colon = False
    for token in _TOKENS.finditer(text):
        word = token[0]
        if word in "[{":
            stack.append([word == "{", 0 if word == "[" else None, token.start()])
            after_colon = False
        elif word in "]}":
            stack.pop()
        elif word == ":":
            after_colon = True
        elif word == ",":
            after_colon = False
            if not stack[-1][0]:
                stack[-1][1] += 1
        elif stack and stack[-1][0] and not after_colon:
            stack[-1][1], stack[-1][2] = json.loads(word.encode("latin-1")), token.start()
        else:
            start = stack[-1][2] if stack and stack[-1][0] else token.start()
            path = tuple(str(each[1]) for each in stack)
            yield Leaf(
                path, start, token.end(), json.loads(word.encode("latin-1"), parse_float=Decimal, parse_int=_int)
            )
            after_colon = False


PUNCTUATION = Told("结构符号", "Punctuation")
NOT_KEPT = Told("不保存", "not kept")
Name: TypeAlias = tuple[str, Told, Role, Told]
"""Machine name, title, role, what it says."""


def fields(payload: bytes, clause: str, named: Callable[[Leaf], Name | None]) -> list[Field]:
    """Every byte of a JSON payload in one field; a leaf that nobody names is somebody's and not kept."""
    try:
        parse(payload)
    except DecodeError:
        return [unread(0, len(payload))] if payload else []
    found: list[Field] = []
    end = 0
    for leaf in leaves(payload):
        if leaf.start > end:
            found.append(_punctuation(end, leaf.start))
        key = ".".join(leaf.path) or "value"
        name, title, role, text = named(leaf) or ("dropped", Told(key, key), "identity", NOT_KEPT)
        found.append(Field(leaf.start, leaf.end, name, title, f"{clause}, {key}", role, text))
        end = leaf.end
    if end < len(payload):
        found.append(_punctuation(end, len(payload)))
    return found


def _punctuation(start: int, end: int) -> Field:
    return Field(start, end, "punctuation", PUNCTUATION, "RFC 8259", "layout", Told("", ""))


def kept_only(payload: bytes, kept: Callable[[Path], bool]) -> bytes:
    """The payload with nothing in it but what is kept: names and numbers of persons never reach the disk. What is no
    JSON keeps its shape and loses its letters and digits."""
    try:
        root = parse(payload)
    except DecodeError:
        return re.sub(rb"[0-9A-Za-z\x80-\xff]", b"*", payload)
    pruned = _pruned(root, (), kept)
    return build({} if pruned is ABSENT else pruned)


def _pruned(value: object, path: Path, kept: Callable[[Path], bool]) -> object:
    if isinstance(value, dict):
        inner = {key: _pruned(each, (*path, key), kept) for key, each in value.items()}
        left = {key: each for key, each in inner.items() if each is not ABSENT}
        return left if left else ABSENT
    if isinstance(value, list):
        places = [_pruned(each, (*path, str(place)), kept) for place, each in enumerate(value)]
        if all(each is ABSENT for each in places):
            return ABSENT
        return [None if each is ABSENT else each for each in places]  # the others keep their places
    return value if kept(path) else ABSENT
