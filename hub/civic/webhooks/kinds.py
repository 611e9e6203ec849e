"""What may be subscribed to: which of the hub's events, by which name, with which fields. Nobody's data is in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.events import (
    ActivityPublished,
    BudgetAlert,
    DeviceChanged,
    Event,
    GatewayChanged,
    HelpWanted,
    NoticeEnded,
    NoticeReleased,
    SpeakerReported,
)
from hub.i18n import N_


@dataclass(frozen=True, slots=True)
class Kind:
    id: str
    title: str  # msgid
    event: type[Event]
    areas: Callable[[Any], tuple[str, ...]]
    fields: tuple[str, ...]

    @property
    def type(self) -> str:
        """As CloudEvents want it: reversed name, and a version for the day a field changes its meaning."""
        return f"org.linli.{self.id}.v1"

    def data(self, event: Event) -> Mapping[str, object]:
        """Named one by one: a field that an event gets later does not leave the house by itself."""
        return {name: _plain(getattr(event, name)) for name in self.fields}


def _one(event: Any) -> tuple[str, ...]:
    return (event.area,)


def _all(event: Any) -> tuple[str, ...]:
    return tuple(event.areas)


def _plain(value: object) -> object:
    if isinstance(value, str | int) or value is None:
        return value
    return [_plain(each) for each in value] if isinstance(value, tuple) else str(value)


KINDS = (
    Kind(
        "notice.released", N_("A notice is published"), NoticeReleased, _all,
        ("notice", "revision", "priority", "areas"),
    ),
    Kind(
        "notice.ended", N_("A notice has ended or is withdrawn"), NoticeEnded, _all,
        ("notice", "revision", "how", "areas"),
    ),
    Kind("help.wanted", N_("A resident asks for help"), HelpWanted, _one, ("task", "area", "priority", "due")),
    Kind("activity.published", N_("An activity is announced"), ActivityPublished, _one, ("activity", "area", "day")),
    Kind("points.budget", N_("A mark of the points money is passed"), BudgetAlert, _one, ("area", "year", "percent")),
    Kind("gateway.changed", N_("A gateway comes or goes"), GatewayChanged, _one, ("gateway", "area", "state")),
    Kind("device.changed", N_("A device comes or goes"), DeviceChanged, _one, ("device", "hut", "area", "state")),
    Kind(
        "speaker.reported", N_("A loudspeaker has spoken"), SpeakerReported, _one,
        ("speaker", "area", "notice", "revision", "round", "result", "seconds"),
    ),
)  # fmt: skip
BY_ID = {each.id: each for each in KINDS}
