"""The flat XML of WeChat's callbacks, read straight from expat: a DOCTYPE is refused before it means anything."""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

XML_BYTES_MAX = 64 * 1024  # a text message is at most 2,048 bytes; the rest is room for kinds we do not read
_ELEMENTS_MAX = 200
_DEPTH_MAX = 6


class BadXml(ValueError):
    """Not a callback: malformed, too large, or carrying a DOCTYPE."""


def parse(body: bytes) -> dict[str, str]:
    """The texts of the root's direct children. Deeper ones are read over."""
    if len(body) > XML_BYTES_MAX:
        raise BadXml("too large")
    reader = _Reader()
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    # A resident may well *write* "<!DOCTYPE" inside a CDATA section; only expat can tell the two apart.
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as fault:
        raise BadXml("malformed") from fault
    return reader.found


def compose(fields: Mapping[str, str]) -> str:
    """A flat answer of the same form. Every text is CDATA; an end of CDATA inside it is parted."""
    parts = (f"<{name}><![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>" for name, text in fields.items())
    return f"<xml>{''.join(parts)}</xml>"


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []
        self._elements = 0

    def doctype(self, *_: object) -> None:
        raise BadXml("a DOCTYPE is refused")

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._elements += 1
        if self._elements > _ELEMENTS_MAX or len(self._path) > _DEPTH_MAX:
            raise BadXml("too many elements")
        if len(self._path) == 2:
            if name in self.found:
                raise BadXml("an element stands twice")
            self.found[name] = ""

    def end(self, _name: str) -> None:
        self._path.pop()

    def text(self, data: str) -> None:
        if len(self._path) == 2:
            self.found[self._path[-1]] += data
