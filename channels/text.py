"""Text that must fit: cut at a character, never a byte, and where a reader would pause; wrapped as Chinese is set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"
_CLUSTER_CHARS_MAX = 8  # longer heaps of marks are no script but an attack on the layout
_ZWJ = "\u200d"
# Bidirectional controls can make a notice read as something it does not say.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PAUSES = frozenset("，。！？；：、…—～）》」』】”’!?;,) ")
_CLOSERS = frozenset("，。！？；：、…）》」』】〕”’!?;:,.)]}%％℃°")
_OPENERS = frozenset("（《「『【〔“‘([{")
_JOINTS = frozenset(".:-/_@'+%&#=?,")  # inside 14:00, 3.5, 1,200, an address or a hyphened word


def clean(text: str) -> str:
    """Without control characters; line breaks of any kind become plain ones."""
    lines = ("".join(char for char in line if _is_harmless(char)) for line in text.splitlines())
    return "\n".join(" ".join(line.split()) for line in lines).strip("\n")


def _is_harmless(char: str) -> bool:
    return char == "\t" or (char not in _BIDI and unicodedata.category(char) not in {"Cc", "Cs"})


_SALUTATION = re.compile(r"\s*(?:尊敬|亲爱|敬爱|各位|全体|居民|Dear\b)[^\n：:，,]{0,24}[：:，,][ \t]*(?:\n|$)")


def without_salutation(text: str) -> str:
    """Where only a line or two fit, the greeting would take the place of when and where."""
    rest = _SALUTATION.sub("", text, count=1) if _SALUTATION.match(text) else text
    return rest if rest.strip() else text


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def cut(text: str, chars_max: int) -> str:
    """At most so many characters, the last one an ellipsis if anything was left out."""
    if len(text) <= chars_max:
        return text
    if chars_max < 1:
        return ""
    kept = ""
    for cluster in clusters(text):
        if len(kept) + len(cluster) > chars_max - len(ELLIPSIS):
            break
        kept += cluster
    return _back_to_a_pause(kept, text[len(kept)]) + ELLIPSIS


def clusters(text: str) -> Iterator[str]:
    """What a reader sees as one character: a base with its marks, a joined or a flag emoji."""
    cluster = ""
    for char in text:
        if cluster and len(cluster) < _CLUSTER_CHARS_MAX and _belongs(cluster, char):
            cluster += char
            continue
        if cluster:
            yield cluster
        cluster = char
    if cluster:
        yield cluster


def wrap(text: str, chars_max: int) -> list[str]:
    """Lines of at most so many characters: words and numbers whole, no stop at a line's start."""
    lines: list[str] = []
    for paragraph in clean(text).split("\n"):
        if paragraph:
            lines.extend(_wrap_paragraph(paragraph, chars_max))
    return lines


def _belongs(cluster: str, char: str) -> bool:
    if unicodedata.category(char) in {"Mn", "Me", "Mc"} or char == _ZWJ or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if cluster[-1] == _ZWJ:
        return True
    return _is_flag_half(char) and len(cluster) == 1 and _is_flag_half(cluster)


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_wordy(char: str) -> bool:
    """Letters of scripts that write words, and digits; a Chinese character is a word by itself."""
    return char.isalnum() and not is_ideograph(char)


def is_ideograph(char: str) -> bool:
    return unicodedata.category(char) == "Lo" and unicodedata.east_asian_width(char) in {"W", "F"}


def _back_to_a_pause(kept: str, following: str) -> str:
    if following not in _PAUSES and following not in _CLOSERS:
        for place in range(len(kept) - 1, len(kept) * 2 // 3, -1):
            if kept[place] in _PAUSES and not _inside_a_word(kept, place):
                return _without_loose_end(kept[:place])
        if _is_wordy(kept[-1:]) or kept[-1:] in _JOINTS:
            # Half a word is odd, but half a number ("8" of "8 时", "1" of "12") is a lie.
            start = len(kept)
            while start and (_is_wordy(kept[start - 1]) or kept[start - 1] in _JOINTS):
                start -= 1
            if _without_loose_end(kept[:start]):
                return _without_loose_end(kept[:start])
    return _without_loose_end(kept) or kept


def _inside_a_word(text: str, place: int) -> bool:
    return (
        text[place] in _JOINTS
        and 0 < place < len(text) - 1
        and _is_wordy(text[place - 1])
        and _is_wordy(text[place + 1])
    )


def _without_loose_end(text: str) -> str:
    while text and (text[-1] in _OPENERS or text[-1] in "，；：、,;: "):
        text = text[:-1]
    return text


def _atoms(paragraph: str, chars_max: int) -> Iterator[str]:
    """What may not be parted by a line end: a word or a number, else a single character."""
    word = ""
    for cluster in clusters(paragraph):
        if _is_wordy(cluster[0]) or (word and cluster in _JOINTS):
            if len(word) + len(cluster) > chars_max:
                yield word
                word = ""
            word += cluster
            continue
        if word:
            yield word
            word = ""
        yield cluster
    if word:
        yield word


def _wrap_paragraph(paragraph: str, chars_max: int) -> Iterator[str]:
    line: list[str] = []
    for atom in _atoms(paragraph, chars_max):
        if sum(map(len, line)) + len(atom) <= chars_max:
            if line or atom != " ":
                line.append(atom)
            continue
        down = _carried_down(line, atom)
        yield "".join(line[: len(line) - len(down)]).rstrip()
        line = [*down, atom] if down or atom != " " else []
        if sum(map(len, line)) > chars_max:  # a heap of brackets and stops wider than the line: set it as it comes
            yield "".join(line[:-1])
            line = [atom]
    if line:
        yield "".join(line).rstrip()


def _carried_down(line: list[str], atom: str) -> list[str]:
    """The end of the full line that has to go with `atom` to the next one."""
    place = len(line)
    if atom[0] in _CLOSERS:
        while place > 1 and line[place - 1][0] in _CLOSERS:
            place -= 1
        place -= 1
    while place > 0 and line[place - 1] in _OPENERS:
        place -= 1
    return line[place:] if 0 < place < len(line) else []
