"""CAP 1.1 and 1.2 read from XML: bytes in, an `Alert` or one clear sentence out. Pure.

CAP 1.1 is read too, since real feeds still send it. What is never taken: a DOCTYPE, more than 256 KiB, a namespace we
do not know. Elements of other namespaces (signatures, extensions) are read over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from hub.civic.notices.cap import (
    CATEGORY,
    CERTAINTY,
    MESSAGE,
    NAMESPACES,
    SCOPE,
    SEVERITY,
    STATUS,
    URGENCY,
    Alert,
    Area,
    BadAlert,
    Identity,
    Info,
    check,
)

BYTES_MAX = 256 * 1024
INFOS_MAX, AREAS_MAX, LIST_MAX = 20, 200, 1_000
TEXT_CHARS_MAX = 20_000


def parse(body: bytes) -> Alert:
    """Read one alert. Raises BadAlert."""
    return read(root(body))


def root(body: bytes) -> Element:
    """The outermost element of a document that may be looked at: small, without a DOCTYPE, in an encoding we read."""
    if len(body) > BYTES_MAX:
        raise BadAlert("too-large")
    try:
        found: Element = fromstring(_utf8(body), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException:
        raise BadAlert("doctype") from None
    except (ParseError, ValueError, LookupError):
        raise BadAlert("not-xml") from None
    return found


def text_of(element: Element) -> bytes:
    """One alert of a larger document as a document of its own."""
    made: bytes = tostring(element, encoding="utf-8", xml_declaration=True)
    return made


def read(element: Element) -> Alert:
    """Read one `alert` element."""
    namespace, name = _split(element.tag)
    if name != "alert" or namespace not in NAMESPACES:
        raise BadAlert("namespace")
    said = _Said(element, namespace)
    identity = Identity(said.token("sender"), said.token("identifier"), said.instant("sent"))
    kind, scope = said.word("msgType", MESSAGE), said.word("scope", SCOPE)
    alert = Alert(
        identity=identity,
        version=NAMESPACES[namespace],
        status=said.word("status", STATUS),
        kind=kind,
        scope=scope,
        source=said.text("source"),
        restriction=said.text("restriction"),
        addresses=tuple(_quoted(said.text("addresses"))),
        codes=tuple(said.texts("code")),
        note=said.text("note"),
        references=tuple(_reference(each) for each in said.text("references").split()),
        incidents=tuple(_quoted(said.text("incidents"))),
        infos=tuple(_info(each) for each in said.parts("info", INFOS_MAX)),
    )
    check(alert)
    return alert


class _Said:
    """The children of one element, by name."""

    def __init__(self, element: Element, namespace: str) -> None:
        self.namespace = namespace
        self._by_name: dict[str, list[Element]] = {}
        for child in element:
            if isinstance(child.tag, str) and _split(child.tag)[0] == namespace:
                self._by_name.setdefault(_split(child.tag)[1], []).append(child)

    def parts(self, name: str, most: int) -> list[_Said]:
        found = self._by_name.get(name, [])
        if len(found) > most:
            raise BadAlert("too-many", most=most, name=name)
        return [_Said(each, self.namespace) for each in found]

    def texts(self, name: str) -> Iterator[str]:
        found = self._by_name.get(name, [])
        if len(found) > LIST_MAX:
            raise BadAlert("too-many", most=LIST_MAX, name=name)
        for each in found:
            text = (each.text or "").strip()
            if len(text) > TEXT_CHARS_MAX:
                raise BadAlert("too-long", name=name, most=TEXT_CHARS_MAX)
            if text:
                yield text

    def text(self, name: str, *, needed: bool = False) -> str:
        found = list(self.texts(name))
        if len(found) > 1:
            raise BadAlert("twice", name=name)
        if needed and not found:
            raise BadAlert("missing", name=name)
        return found[0] if found else ""

    def token(self, name: str) -> str:
        text = self.text(name, needed=True)
        if re.search(r"[\s,<&]", text):
            raise BadAlert("blank", name=name)
        return text

    def word(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name, needed=True)
        if text not in allowed:
            raise BadAlert("word", name=name, value=text[:40])
        return text

    def instant(self, name: str) -> datetime:
        text = self.text(name, needed=True)
        found = _instant(text)
        if found is None:
            raise BadAlert("time", name=name)
        return found

    def instant_or_none(self, name: str) -> datetime | None:
        return self.instant(name) if self.text(name) else None

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        return tuple((each.text("valueName"), each.text("value")) for each in self.parts(name, LIST_MAX))


def _info(said: _Said) -> Info:
    categories = tuple(said.texts("category"))
    for each in categories:
        if each not in CATEGORY:
            raise BadAlert("word", name="category", value=each[:40])
    if not categories:
        raise BadAlert("missing", name="category")
    return Info(
        language=said.text("language") or "en-US",  # CAP 1.2, 3.2.2: en-US where nothing is said
        category=categories,
        event=said.text("event", needed=True),
        urgency=said.word("urgency", URGENCY),
        severity=said.word("severity", SEVERITY),
        certainty=_certainty(said),
        effective=said.instant_or_none("effective"),
        onset=said.instant_or_none("onset"),
        expires=said.instant_or_none("expires"),
        sender_name=said.text("senderName"),
        headline=said.text("headline"),
        description=said.text("description"),
        instruction=said.text("instruction"),
        web=said.text("web"),
        contact=said.text("contact"),
        response=tuple(said.texts("responseType")),
        codes=said.pairs("eventCode"),
        parameters=said.pairs("parameter"),
        areas=tuple(_area(each) for each in said.parts("area", AREAS_MAX)),
    )


def _certainty(said: _Said) -> str:
    # CAP 1.0's "Very Likely" lives on in real feeds; the standard says to read it as "Likely".
    if said.text("certainty") == "Very Likely":
        return "Likely"
    return said.word("certainty", CERTAINTY)


def _area(said: _Said) -> Area:
    return Area(
        said.text("areaDesc", needed=True),
        said.pairs("geocode"),
        tuple(said.texts("polygon")),
        tuple(said.texts("circle")),
    )


def _reference(text: str) -> Identity:
    parts = text.split(",")
    sent = _instant(parts[2]) if len(parts) == 3 else None
    if sent is None or not parts[0] or not parts[1]:
        raise BadAlert("reference", value=text[:80])
    return Identity(parts[0], parts[1], sent)


def _instant(text: str) -> datetime | None:
    """CAP's own form ends in an offset; feeds that write Z mean +00:00."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _quoted(text: str) -> Iterator[str]:
    """A list of words divided by blanks; a word with blanks stands in quotes."""
    for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text):
        yield quoted or plain


def _split(tag: str) -> tuple[str, str]:
    namespace, brace, name = tag[1:].partition("}") if tag.startswith("{") else ("", "", tag)
    return (namespace, name) if brace or not tag.startswith("{") else ("", tag)


def _utf8(body: bytes) -> bytes:
    """Chinese issuers still write GB 18030, which expat cannot read: such a document is written anew in UTF-8."""
    said = re.match(rb"""\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["'][^>]{0,100}?\?>""", body)
    if said is None or said[1].lower() not in (b"gb2312", b"gbk", b"gb18030"):
        return body
    try:
        return body[said.end() :].decode("gb18030").encode()
    except UnicodeDecodeError:
        raise BadAlert("encoding", encoding=said[1].decode()) from None
