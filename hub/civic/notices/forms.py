"""The composer's form read into words: what a browser sends becomes what the desk's verbs take.

A notice is composed by the fields of its kind or written freely. Both stand in the form at all times, one of them
hidden, so that going from one to the other loses nothing that was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from hub.audience import Audience
from hub.civic.notices import audience_box, fields, kinds, rules
from hub.civic.notices.kinds import Kind
from hub.civic.notices.message import DEFAULT_ZONE
from hub.civic.notices.models import Notice
from hub.civic.notices.wording import Words
from hub.errors import Refused
from hub.i18n import LANGUAGES, _

_TEXTS = (
    "kind",
    "priority",
    "title",
    "text",
    "title_en",
    "text_en",
    "issuer",
    "contact",
    "not_before",
    "expires",
    "ladder",
)
FIELD = "f_"  # what the names of the kind's fields begin with in the form


@dataclass(frozen=True)
class Draft:
    """What stands in the form's fields, right or wrong, so that nothing typed is ever lost."""

    values: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(_TEXTS, ""))
    areas: tuple[str, ...] = ()
    notice: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    by_fields: bool = False  # else: written freely
    correcting: bool = False  # a released notice gets its next revision
    copied: str = ""  # whose attachments go along
    show_lang: str = ""  # of the previews; empty: the reader's own
    show_large: bool = False
    narrowed: Mapping[str, Any] = field(default_factory=dict)  # the audience besides the areas
    opened: str = ""  # the building whose stairs and homes are offered

    @property
    def kind(self) -> Kind | None:
        return kinds.every().get(self.values["kind"])

    def words(self, now: datetime, zone: str = DEFAULT_ZONE) -> Words:
        plain: dict[str, Any] = {name: self.values[name] for name in _TEXTS[:8]}
        plain["contact"] = fields.phone(self.values["contact"])
        plain["ladder"] = self.values["ladder"]
        begins, ends = _local(self.values["not_before"], zone), _local(self.values["expires"], zone)
        if self.by_fields and self.kind is not None:
            made = fields.built(self.kind, self.fields, now, zone)
            if made.text_en and not self.values["title_en"].strip():
                raise Refused(_("Give the title in English too, or leave the whole English side empty"))
            plain |= {
                "text": made.text, "text_en": made.text_en, "template": self.kind.template,
                "fields": fields.kept(self.kind, self.fields),
            }  # fmt: skip
            if ends is None and made.ends is not None:
                ends = min(made.ends, (begins or now) + timedelta(days=rules.VALID_DAYS_MAX))
        return Words(**plain, audience=self.audience, not_before=begins, expires=ends)

    @property
    def audience(self) -> Audience:
        return Audience.of({"areas": list(self.areas), **self.narrowed})

    def turned(self, to: str, now: datetime, zone: str = DEFAULT_ZONE) -> Draft:
        """To free text, with what the fields say; or back to the fields, as they were left."""
        if to == "free" and self.by_fields and self.kind is not None:
            made = fields.built(self.kind, self.fields, now, zone)
            return replace(self, by_fields=False, values={**self.values, "text": made.text, "text_en": made.text_en})
        if to == "fields" and self.kind is not None:
            typed = self.fields or {**_today(self.kind, now, zone), "reason": self.values["text"][:600]}
            return replace(self, by_fields=True, fields=typed)
        return self


def from_form(form: FormData, notice: str = "") -> Draft:
    values = {name: str(form.get(name, ""))[:6_000] for name in _TEXTS}
    values["priority"] = values["priority"] or "routine"
    values["kind"] = values["kind"] or kinds.FREE
    kind = kinds.every().get(values["kind"])
    asked = {name: str(form.get(FIELD + name, ""))[:2_000] for name in fields.names(kind)} if kind else {}
    lang = str(form.get("show_lang", ""))
    return Draft(
        values, tuple(str(each) for each in form.getlist("areas"))[:200], notice,
        fields=asked if any(asked.values()) or form.get("mode") == "fields" else {},
        by_fields=form.get("mode") == "fields" and kind is not None, correcting=form.get("correct") == "1",
        copied=str(form.get("copied", ""))[:36], show_lang=lang if lang in LANGUAGES else "",
        show_large=form.get("show_large") == "1", narrowed=audience_box.from_form(form),
        opened=str(form.get("to_open", ""))[:64],
    )  # fmt: skip


def from_kind(ident: str, area: str, now: datetime, contact: str = "") -> Draft:
    """An empty composer, or one with the fields of a kind and their ready text."""
    kind = kinds.every().get(ident)
    values = dict.fromkeys(_TEXTS, "") | {"kind": kinds.FREE, "priority": "routine", "contact": contact}
    if kind is None:
        return Draft(values, (area,) if area else ())
    values |= {"kind": ident, "priority": kind.priority, "title": kind.title, "title_en": kind.title_en}
    return Draft(values, (area,) if area else (), fields=_today(kind, now, DEFAULT_ZONE), by_fields=True)


def from_notice(notice: Notice, zone: str = DEFAULT_ZONE) -> Draft:
    values = {name: getattr(notice, name) for name in _TEXTS[:8]}
    values |= {
        "not_before": _typed(notice.not_before, zone), "expires": _typed(notice.expires, zone),
        "ladder": notice.ladder,
    }  # fmt: skip
    by_fields = bool(notice.template) and notice.kind in kinds.every()
    kept = Audience.read(notice.audience)
    return Draft(
        values, kept.areas, notice.id, fields=fields.read(notice.fields), by_fields=by_fields,
        correcting=notice.state == "released", narrowed=audience_box.of_notice(kept),
    )  # fmt: skip


def copy_of(notice: Notice, now: datetime, zone: str = DEFAULT_ZONE) -> Draft:
    """The same words as a new draft: without its times, and without days that have passed."""
    made = from_notice(notice, zone)
    today = now.astimezone(ZoneInfo(zone)).date().isoformat()
    passed = any((made.fields.get(each) or "9999") < today for each in fields.TIMES)
    kept = {name: value for name, value in made.fields.items() if not (passed and name in fields.TIMES)}
    values = {**made.values, "not_before": "", "expires": ""}
    return replace(made, values=values, fields=kept, notice="", correcting=False, copied=notice.id)


def _today(kind: Kind, now: datetime, zone: str) -> dict[str, str]:
    return kind.ready(now.astimezone(ZoneInfo(zone)).date())


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
