"""Device profiles: what a model measures, within which limits, and how far its word goes. One TOML file a model.

The folder devices/profiles/ is the registry. Not the Bluetooth number but the profile chooses the codec (some scales
send a private layout under a standard number), and it owns units, ranges, the clock's zone and what status bits mean.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from devices.base import DecodeError
from devices.json_map import JsonMap, json_map

Weight: TypeAlias = Literal["bad", "suspect", "note"]
WEIGHTS: tuple[Weight, ...] = ("bad", "suspect", "note")

_FOLDER = Path(__file__).parent / "profiles"
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Verification:
    """The metrological rule a device of this model is verified under, and how often."""

    standard: str
    months: int


@dataclass(frozen=True, slots=True)
class Profile:
    id: str
    version: int
    kind: str
    title_zh: str
    title_en: str
    match: Mapping[str, str]  # how a gateway recognises the model: name, service
    codec: Mapping[str, str]  # characteristic -> codec id
    unit_override: Mapping[str, str]  # value code -> unit, where the frame's own unit bit lies
    resolution: Mapping[str, Decimal]  # value code -> step
    step: Mapping[
        str, Decimal
    ]  # value code -> what one count of the wire is worth, where a model departs from the text
    ranges: Mapping[str, tuple[Decimal, Decimal]]  # value code -> what this model can measure, ends included
    zone: timezone  # what the device's local time means
    clock_sync: bool  # the gateway can set its clock
    quality: Mapping[str, Weight]  # status flag -> what it does to the reading; a flag not named here says nothing
    session_repeat: int  # readings a session asks for
    session_gap_s: int
    offline_after_s: int  # silence longer than this is news
    heartbeat_s: int | None  # None: the device speaks only when it has measured
    verification: Verification | None
    map: JsonMap | None = None  # where the values stand, for models that speak JSON
    source: str = ""  # where the facts of a real model were read

    @property
    def ref(self) -> str:
        """`id@version`, as a reading stores it."""
        return f"{self.id}@{self.version}"


def profile(profile_id: str) -> Profile:
    found = all_profiles().get(profile_id)
    if found is None:
        raise DecodeError("unknown-profile", profile=profile_id)
    return found


@cache
def all_profiles() -> Mapping[str, Profile]:
    """Every profile of the folder by its id. A file that is not a profile stops the start: it is our own."""
    profiles: dict[str, Profile] = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        loaded = parse_profile(path.read_text("utf-8"))
        if path.stem != loaded.id:
            raise ValueError(f"{path.name}: the id is {loaded.id}, the file should be named after it")
        profiles[loaded.id] = loaded
    return profiles


def parse_profile(text: str) -> Profile:
    """A profile from its TOML. ValueError names what is wrong."""
    raw: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    try:
        found = _profile(raw)
    except KeyError as missing:
        raise ValueError(f"profile {raw.get('id', '?')}: {missing.args[0]} is missing") from None
    if raw:
        raise ValueError(f"profile {found.id}: unknown entries {', '.join(sorted(raw))}")
    for flag, weight in found.quality.items():
        if weight not in WEIGHTS:
            raise ValueError(f"profile {found.id}: {flag} is {weight}, not one of {', '.join(WEIGHTS)}")
    for code, (low, high) in found.ranges.items():
        if low > high:
            raise ValueError(f"profile {found.id}: the range of {code} is upside down")
    return found


def _profile(raw: dict[str, Any]) -> Profile:
    clock, session, verify = raw.pop("clock"), raw.pop("session", {}), raw.pop("verify", None)
    heartbeat = raw.pop("heartbeat", None)
    return Profile(
        id=raw.pop("id"),
        version=raw.pop("version"),
        kind=raw.pop("kind"),
        title_zh=raw.pop("title_zh"),
        title_en=raw.pop("title_en"),
        match=raw.pop("match", {}),
        codec=raw.pop("codec"),
        unit_override=raw.pop("unit_override", {}),
        resolution={code: Decimal(step) for code, step in raw.pop("resolution", {}).items()},
        step={code: Decimal(step) for code, step in raw.pop("step", {}).items()},
        ranges={code: (Decimal(low), Decimal(high)) for code, (low, high) in raw.pop("range").items()},
        zone=_zone(clock["zone"]),
        clock_sync=clock["sync"],
        quality=cast("dict[str, Weight]", raw.pop("quality", {})),
        session_repeat=session.get("repeat", 1),
        session_gap_s=session.get("gap_s", 0),
        offline_after_s=_seconds(raw.pop("offline_after")),
        heartbeat_s=None if heartbeat is None else _seconds(heartbeat),
        verification=None if verify is None else Verification(verify["standard"], verify["months"]),
        map=json_map(raw.pop("map", None)),
        source=raw.pop("source", ""),
    )


def _zone(text: str) -> timezone:
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", text)
    if found is None:
        raise ValueError(f"the zone {text} is not of the form +08:00")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(offset if found[1] == "+" else -offset)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise ValueError(f"the duration {text} is not of the form 36h")
    return int(found[1]) * _UNIT_S[found[2]]
