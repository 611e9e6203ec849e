"""A warning as the Common Alerting Protocol means it: its parts, its words and the rules between them. Pure.

Source: OASIS CAP-V1.2 (2010), clause 3.2. The schema alone is too kind (it takes an Update without references and
identifiers with blanks), so the rules of the text stand here. cap_read.py and cap_write.py turn it into XML and back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.errors import Refused
from hub.i18n import N_, _

NAMESPACES = {"urn:oasis:names:tc:emergency:cap:1.1": "1.1", "urn:oasis:names:tc:emergency:cap:1.2": "1.2"}

STATUS = ("Actual", "Exercise", "System", "Test", "Draft")
MESSAGE = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPE = ("Public", "Restricted", "Private")
CATEGORY = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
URGENCY = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITY = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTY = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
COLOURS = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
_COLOUR_OF = {severity: colour for colour, severity in COLOURS.items()}
_COLOUR_WORD = re.compile(r"([红橙黄蓝])色")
_COLOUR_ZH = {"红": "red", "橙": "orange", "黄": "yellow", "蓝": "blue"}

SENTENCES = {
    "too-large": N_("The warning is larger than 256 KiB; ask its issuer for one without enclosed files"),
    "doctype": N_("The warning carries a DOCTYPE, which is never read; ask its issuer to leave it out"),
    "not-xml": N_("This is not well-formed XML, so no warning can be read from it"),
    "encoding": N_("The warning says it is written in {encoding}, which cannot be read; UTF-8 always can"),
    "namespace": N_("This is not a CAP 1.1 or 1.2 alert"),
    "missing": N_("The warning has no {name}; its issuer must add it"),
    "twice": N_("The warning has more than one {name}; it must say it once"),
    "word": N_("{name} may not be “{value}” in a CAP alert"),
    "blank": N_("{name} may hold no blank, comma, < or &"),
    "time": N_("{name} is not a date and time with an offset, such as 2026-11-22T02:14:00+08:00"),
    "restriction": N_("A restricted warning must say its restriction"),
    "addresses": N_("A private warning must say whom it is addressed to"),
    "references": N_("An update or a cancellation must name the warnings it replaces"),
    "reference": N_("“{value}” is not a reference of the form sender,identifier,time"),
    "itself": N_("The warning names itself among those it replaces"),
    "later": N_("The warning replaces one that was sent later than itself"),
    "no-info": N_("A warning or an update must say what it is about (info)"),
    "too-many": N_("The warning has more than {most} {name} entries"),
    "empty-feed": N_("The feed has no alerts inside; a feed that only links to them cannot be taken"),
    "too-long": N_("{name} is longer than {most} characters"),
}


class BadAlert(Refused):
    """Why a message is not taken. `code` is for counters, `sentence` for people."""

    def __init__(self, code: str, **known: Any) -> None:
        super().__init__(_(SENTENCES[code]).format(**known))
        self.code = code


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What singles an alert out: sender, identifier and sent together (CAP 1.2, 3.2.1)."""

    sender: str
    identifier: str
    sent: datetime  # in UTC, so that one instant written in two zones is one identity


@dataclass(frozen=True, slots=True)
class Area:
    words: str
    geocodes: tuple[tuple[str, str], ...] = ()
    polygons: tuple[str, ...] = ()
    circles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Info:
    """One language, or one part, of an alert."""

    language: str
    category: tuple[str, ...]
    event: str
    urgency: str
    severity: str
    certainty: str
    effective: datetime | None
    onset: datetime | None
    expires: datetime | None
    sender_name: str
    headline: str
    description: str
    instruction: str
    web: str
    contact: str
    response: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    areas: tuple[Area, ...]

    @property
    def colour(self) -> str:
        """red, orange, yellow or blue: the issuer's own word where there is one, else by severity; "" unknown."""
        said = _COLOUR_WORD.search(f"{self.headline} {self.event}")
        return _COLOUR_ZH[said[1]] if said else _COLOUR_OF.get(self.severity, "")


@dataclass(frozen=True, slots=True)
class Alert:
    identity: Identity
    version: str
    status: str
    kind: str  # msgType
    scope: str
    source: str
    restriction: str
    addresses: tuple[str, ...]
    codes: tuple[str, ...]
    note: str
    references: tuple[Identity, ...]
    incidents: tuple[str, ...]
    infos: tuple[Info, ...] = field(repr=False)

    @property
    def replaces(self) -> tuple[Identity, ...]:
        """What no longer holds once this is known."""
        return self.references if self.kind in ("Update", "Cancel") else ()

    def expires(self) -> datetime | None:
        """When the last of it has run out; None when any part says nothing about that."""
        ends = [info.expires for info in self.infos]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None

    def info(self, language: str) -> Info:
        """The part to show to a reader of this language: theirs, else the first."""
        wanted = language.split("-")[0].lower()
        return next((info for info in self.infos if info.language.split("-")[0].lower() == wanted), self.infos[0])


def check(alert: Alert) -> None:
    """What the text of the standard asks beyond its schema. Raises BadAlert."""
    if alert.scope == "Restricted" and not alert.restriction:
        raise BadAlert("restriction")
    if alert.scope == "Private" and not alert.addresses:
        raise BadAlert("addresses")
    if alert.kind in ("Update", "Cancel", "Ack", "Error") and not alert.references:
        raise BadAlert("references")
    if alert.kind in ("Alert", "Update") and not alert.infos:
        raise BadAlert("no-info")
    if alert.identity in alert.references:
        raise BadAlert("itself")
    if any(each.sent > alert.identity.sent for each in alert.replaces):
        raise BadAlert("later")
