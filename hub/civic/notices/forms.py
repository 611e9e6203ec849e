"""The composer's form read into words: what a browser sends becomes what the desk's verbs take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from hub.audience import Audience
from hub.civic.notices import kinds
from hub.civic.notices.message import DEFAULT_ZONE
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.errors import Refused
from hub.i18n import _

_TEXTS = ("kind", "priority", "title", "text", "title_en", "text_en", "issuer", "contact", "not_before", "expires")


@dataclass(frozen=True)
class Draft:
    """What stands in the form's fields, right or wrong, so that nothing typed is ever lost."""

    values: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(_TEXTS, ""))
    areas: tuple[str, ...] = ()
    notice: str = ""

    def words(self, zone: str = DEFAULT_ZONE) -> Words:
        plain: dict[str, Any] = {name: self.values[name] for name in _TEXTS[:8]}
        return Words(
            **plain,
            audience=Audience.of({"areas": list(self.areas)}),
            not_before=_local(self.values["not_before"], zone),
            expires=_local(self.values["expires"], zone),
        )


def from_form(form: FormData, notice: str = "") -> Draft:
    values = {name: str(form.get(name, ""))[:6_000] for name in _TEXTS}
    values["priority"] = values["priority"] or "routine"
    values["kind"] = values["kind"] or "general"
    return Draft(values, tuple(str(each) for each in form.getlist("areas"))[:200], notice)


def from_kind(ident: str, area: str, today: datetime) -> Draft:
    """An empty composer, or one filled with the ready text of a kind."""
    kind = kinds.every().get(ident)
    values = dict.fromkeys(_TEXTS, "") | {"kind": "general", "priority": "routine"}
    if kind is not None:
        ready = kind.filled(today.astimezone(ZoneInfo(DEFAULT_ZONE)).date())
        values |= {
            "kind": ident, "priority": ready.priority, "title": ready.title, "text": ready.text,
            "title_en": ready.title_en, "text_en": ready.text_en, "contact": ready.contact,
        }  # fmt: skip
    return Draft(values, (area,) if area else ())


def from_notice(notice: Notice, zone: str = DEFAULT_ZONE) -> Draft:
    values = {name: getattr(notice, name) for name in _TEXTS[:8]}
    values |= {"not_before": _typed(notice.not_before, zone), "expires": _typed(notice.expires, zone)}
    return Draft(values, Audience.read(notice.audience).areas, notice.id)


def _local(typed: str, zone: str) -> datetime | None:
    """What `<input type=datetime-local>` gives is the place's own time."""
    if not typed:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except ValueError:
        raise Refused(_("Write the time as year-month-day and hour:minute")) from None


def _typed(at: datetime | None, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") if at else ""
