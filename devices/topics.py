"""Topics: every MQTT name of contracts.md 1, built and parsed in one place.

    match parse("linli/1/420802000000/lh-hut-1/up/bp-1/sig.2a35"):
        case UpRaw(area, gateway, device, codec): ...

`parse` answers None for anything that is not one of ours; `str(topic)` of what it answers is the topic again. An id
that has no place in a topic raises ValueError when the topic is built, so no wildcard can slip in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

ROOT = "linli/1"
HUB_STATE = f"{ROOT}/hub/state"
RESERVED_BELOW_DEVICE = frozenset({"pack", "done"})
HORN = "horn"  # the one device of a loudspeaker's account
RESERVED_GATEWAYS = frozenset({"board"})

# What the hub itself subscribes to behind an operator's broker.
HUB_FILTERS = (
    f"{ROOT}/+/+/up/#",
    f"{ROOT}/+/+/birth",
    f"{ROOT}/+/+/state",
    f"{ROOT}/+/+/twin/+/reported",
)

_ID = re.compile(r"[a-z0-9-]{1,64}")
_CODEC = re.compile(r"[a-z0-9.-]{1,64}")


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_gateway(text: str) -> bool:
    return is_id(text) and text not in RESERVED_GATEWAYS


def is_codec(text: str) -> bool:
    return _CODEC.fullmatch(text) is not None and text not in RESERVED_BELOW_DEVICE


@dataclass(frozen=True, slots=True)
class _Topic:
    PATTERN: ClassVar[str]

    def __post_init__(self) -> None:
        for each in fields(self):
            check = _CHECKS.get(each.name, is_id)
            if not check(getattr(self, each.name)):
                raise ValueError(f"{each.name} {getattr(self, each.name)!r} cannot stand in a topic")

    def __str__(self) -> str:
        return self.PATTERN.format(**{each.name: getattr(self, each.name) for each in fields(self)})


_CHECKS: Mapping[str, Callable[[str], bool]] = {"codec": is_codec, "gateway": is_gateway}


@dataclass(frozen=True, slots=True)
class UpRaw(_Topic):
    """One payload as the device made it."""

    PATTERN = ROOT + "/{area}/{gateway}/up/{device}/{codec}"
    area: str
    gateway: str
    device: str
    codec: str


@dataclass(frozen=True, slots=True)
class UpPack(_Topic):
    """An envelope; `device` is the device of all its records."""

    PATTERN = ROOT + "/{area}/{gateway}/up/{device}/pack"
    area: str
    gateway: str
    device: str


@dataclass(frozen=True, slots=True)
class Done(_Topic):
    """A device's answer to a command."""

    PATTERN = ROOT + "/{area}/{gateway}/up/{device}/done/{id}"
    area: str
    gateway: str
    device: str
    id: str


@dataclass(frozen=True, slots=True)
class Birth(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/birth"
    area: str
    gateway: str


@dataclass(frozen=True, slots=True)
class State(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/state"
    area: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Receipt(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/receipt"
    area: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Cmd(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/dn/{device}/cmd/{id}"
    area: str
    gateway: str
    device: str
    id: str


@dataclass(frozen=True, slots=True)
class TwinDesired(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/twin/{device}/desired"
    area: str
    gateway: str
    device: str


@dataclass(frozen=True, slots=True)
class TwinReported(_Topic):
    PATTERN = ROOT + "/{area}/{gateway}/twin/{device}/reported"
    area: str
    gateway: str
    device: str


@dataclass(frozen=True, slots=True)
class Board(_Topic):
    PATTERN = ROOT + "/{area}/board"
    area: str


@dataclass(frozen=True, slots=True)
class HubState(_Topic):
    PATTERN = HUB_STATE


Topic: TypeAlias = UpRaw | UpPack | Done | Birth | State | Receipt | Cmd | TwinDesired | TwinReported | Board | HubState


def parse(topic: str) -> Topic | None:
    """The topic as a value, or None: not ours, an unknown version, an id that breaks the rules."""
    if not topic.startswith(ROOT + "/"):
        return None
    try:
        return _parsed(topic.split("/")[2:])
    except ValueError:
        return None


def _parsed(levels: list[str]) -> Topic | None:
    match levels:
        case ["hub", "state"]:
            return HubState()
        case [area, "board"]:
            return Board(area)
        case [area, gateway, "birth"]:
            return Birth(area, gateway)
        case [area, gateway, "state"]:
            return State(area, gateway)
        case [area, gateway, "receipt"]:
            return Receipt(area, gateway)
        case [area, gateway, way, device, *rest]:
            return _below_device(area, gateway, way, device, rest)
    return None


def _below_device(area: str, gateway: str, way: str, device: str, rest: list[str]) -> Topic | None:
    match way, rest:
        case "up", ["pack"]:
            return UpPack(area, gateway, device)
        case "up", ["done", id]:
            return Done(area, gateway, device, id)
        case "up", [codec]:
            return UpRaw(area, gateway, device, codec)
        case "dn", ["cmd", id]:
            return Cmd(area, gateway, device, id)
        case "twin", ["desired"]:
            return TwinDesired(area, gateway, device)
        case "twin", ["reported"]:
            return TwinReported(area, gateway, device)
    return None


def up(area: str, gateway: str, device: str, codec: str) -> str:
    return str(UpRaw(area, gateway, device, codec))


def pack(area: str, gateway: str, device: str) -> str:
    return str(UpPack(area, gateway, device))


def done(area: str, gateway: str, device: str, id: str) -> str:
    return str(Done(area, gateway, device, id))


def birth(area: str, gateway: str) -> str:
    return str(Birth(area, gateway))


def state(area: str, gateway: str) -> str:
    return str(State(area, gateway))


def receipt(area: str, gateway: str) -> str:
    return str(Receipt(area, gateway))


def cmd(area: str, gateway: str, device: str, id: str) -> str:
    return str(Cmd(area, gateway, device, id))


def twin_desired(area: str, gateway: str, device: str) -> str:
    return str(TwinDesired(area, gateway, device))


def twin_reported(area: str, gateway: str, device: str) -> str:
    return str(TwinReported(area, gateway, device))


def board(area: str) -> str:
    return str(Board(area))


def gateway_publishes(area: str, gateway: str) -> tuple[str, ...]:
    """The filters a gateway's account may publish within (contracts.md 1, Accounts)."""
    own = f"{ROOT}/{area}/{gateway}"
    return (f"{own}/up/#", birth(area, gateway), state(area, gateway), f"{own}/twin/+/reported")


def speaker_publishes(area: str, speaker: str) -> tuple[str, ...]:
    """A loudspeaker says what it has said, and nothing else."""
    return (f"{ROOT}/{area}/{speaker}/up/{HORN}/done/+",)


def gateway_subscribes(area: str, gateway: str) -> tuple[str, ...]:
    own = f"{ROOT}/{area}/{gateway}"
    return (receipt(area, gateway), f"{own}/dn/#", f"{own}/twin/+/desired", board(area), HUB_STATE)
