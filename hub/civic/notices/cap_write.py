"""CAP 1.2 written as XML: what the hub tells others of a warning it relays or of its own emergency. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from hub.civic.notices.cap import Alert, Area, Identity, Info

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
register_namespace("cap", NAMESPACE)


def write(alert: Alert) -> bytes:
    """One alert as a UTF-8 document."""
    made: bytes = tostring(element(alert), encoding="utf-8", xml_declaration=True)
    return made


def element(alert: Alert) -> Element:
    """The `alert` element, its children in the order of the schema (CAP 1.2, 3.4)."""
    made = Element(f"{{{NAMESPACE}}}alert")
    _texts(made, identifier=alert.identity.identifier, sender=alert.identity.sender, sent=instant(alert.identity.sent))
    _texts(made, status=alert.status, msgType=alert.kind, source=alert.source, scope=alert.scope)
    _texts(made, restriction=alert.restriction, addresses=_quoted(alert.addresses), code=alert.codes, note=alert.note)
    _texts(made, references=" ".join(map(reference, alert.references)), incidents=_quoted(alert.incidents))
    for info in alert.infos:
        _info(_child(made, "info"), info)
    return made


def reference(identity: Identity) -> str:
    return f"{identity.sender},{identity.identifier},{instant(identity.sent)}"


def instant(at: datetime) -> str:
    """The standard's form: whole seconds and an offset; universal time is -00:00, never Z (CAP 1.2, 3.3.2)."""
    text = at.isoformat(timespec="seconds")
    return f"{text[:-6]}-00:00" if at.tzinfo is UTC else text


def _info(made: Element, info: Info) -> None:
    _texts(made, language=info.language, category=info.category, event=info.event, responseType=info.response)
    _texts(made, urgency=info.urgency, severity=info.severity, certainty=info.certainty)
    _pairs(made, "eventCode", info.codes)
    for name in ("effective", "onset", "expires"):
        at: datetime | None = getattr(info, name)
        _texts(made, **{name: instant(at) if at else ""})
    _texts(made, senderName=info.sender_name, headline=info.headline, description=info.description)
    _texts(made, instruction=info.instruction, web=info.web, contact=info.contact)
    _pairs(made, "parameter", info.parameters)
    for area in info.areas:
        _area(_child(made, "area"), area)


def _area(made: Element, area: Area) -> None:
    _texts(made, areaDesc=area.words, polygon=area.polygons, circle=area.circles)
    _pairs(made, "geocode", area.geocodes)


def _pairs(made: Element, name: str, pairs: tuple[tuple[str, str], ...]) -> None:
    for title, value in pairs:
        _texts(_child(made, name), valueName=title, value=value)


def _texts(made: Element, **said: str | tuple[str, ...]) -> None:
    for name, value in said.items():
        for text in (value,) if isinstance(value, str) else value:
            if text:
                _child(made, name).text = text


def _child(made: Element, name: str) -> Element:
    return SubElement(made, f"{{{NAMESPACE}}}{name}")


def _quoted(words: tuple[str, ...]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words)
