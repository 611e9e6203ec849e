"""JSON maps: where in a vendor's JSON a profile's values stand, so that a new vendor needs one TOML and no code.

    [map]
    where = { "data.attribute" = "WBP_JUMPER" }       # what must stand there, or it is another model
    time = { path = "time", form = "unix" }           # unix | unix-ms | iso | local
    user = "user_index"                               # number = "..." where the device counts its records
    [map.values]
    sys = { path = "data.value.bp_high", unit = "mm[Hg]" }     # unit_path and units where the JSON says the unit
    [map.context]
    meal = { path = "data.value.marker", words = { "After Meal" = "after" } }
    [map.flags]
    unstable = { path = "stable", is = false }

A path is keys joined by dots, digits are places in lists. Nothing else of the JSON is ever kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from typing import Any

from devices.base import DecodeError, DeviceTime
from devices.json_text import ABSENT, Path, at, way

TIME_FORMS = ("unix", "unix-ms", "iso", "local")
_LOCAL = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class ValuePath:
    """A number: where it stands and in which unit, or where its unit stands and what the words there mean."""

    path: Path
    unit: str
    unit_path: Path = ()
    units: Mapping[str, str] | None = None

    def unit_of(self, root: object) -> str:
        if not self.unit_path:
            return self.unit
        said = at(root, self.unit_path)
        return (self.units or {}).get(str(said), self.unit) if said is not ABSENT else self.unit


@dataclass(frozen=True, slots=True)
class TimePath:
    path: Path
    form: str

    def read(self, said: object, zone: timezone) -> DeviceTime | None:
        """Local time of the device; None where it knows none. DecodeError where it is no time."""
        field = ".".join(self.path)
        if said is None or said == "" or said == 0 or said == "0":
            return None
        try:
            if self.form in ("unix", "unix-ms"):
                seconds = int(str(said)) // (1000 if self.form == "unix-ms" else 1)
                return datetime.fromtimestamp(seconds, UTC).astimezone(zone).replace(tzinfo=None)
            moment = datetime.fromisoformat(str(said)) if self.form == "iso" else datetime.strptime(str(said), _LOCAL)  # noqa: DTZ007
            local = moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
        except (ValueError, OverflowError, OSError):
            raise DecodeError("bad-time", field=field) from None
        return local.replace(microsecond=0)

    def say(self, local: DeviceTime | None, zone: timezone) -> int | str:
        if local is None:
            return 0 if self.form.startswith("unix") else ""
        if self.form in ("unix", "unix-ms"):
            return int(local.replace(tzinfo=zone).timestamp()) * (1000 if self.form == "unix-ms" else 1)
        return local.isoformat() if self.form == "iso" else local.strftime(_LOCAL)


@dataclass(frozen=True, slots=True)
class WordPath:
    path: Path
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FlagPath:
    path: Path
    meant: str  # the JSON value, as text, that sets the flag


@dataclass(frozen=True, slots=True)
class JsonMap:
    where: Mapping[Path, str]
    values: Mapping[str, ValuePath]
    time: TimePath | None = None
    user: Path = ()
    number: Path = ()
    context: Mapping[str, WordPath] | None = None
    flags: Mapping[str, FlagPath] | None = None

    paths: frozenset[Path] = frozenset()

    def kept(self, path: Path) -> bool:
        """Whether anything at this place is read: the rest is dropped before it is stored."""
        return path in self.paths


def json_map(raw: dict[str, Any] | None) -> JsonMap | None:
    """From a profile's TOML. KeyError and ValueError name what is wrong."""
    if raw is None:
        return None
    time = raw.get("time")
    if time is not None and time["form"] not in TIME_FORMS:
        raise ValueError(f"the form {time['form']} of a time is not one of {', '.join(TIME_FORMS)}")
    if unknown := raw.keys() - {"where", "time", "user", "number", "values", "context", "flags"}:
        raise ValueError(f"unknown entries {', '.join(sorted(unknown))} in a map")
    where = {way(path): word_of(said) for path, said in raw.get("where", {}).items()}
    values = {
        code: ValuePath(way(each["path"]), each["unit"], way(each.get("unit_path", "")), each.get("units"))
        for code, each in raw["values"].items()
    }
    context = {name: WordPath(way(each["path"]), each["words"]) for name, each in raw.get("context", {}).items()}
    flags = {name: FlagPath(way(each["path"]), word_of(each["is"])) for name, each in raw.get("flags", {}).items()}
    moment = None if time is None else TimePath(way(time["path"]), time["form"])
    user, number = way(raw.get("user", "")), way(raw.get("number", ""))
    paths = {*where, user, number, *(each.path for each in values.values())}
    paths |= {each.unit_path for each in values.values()} | {each.path for each in context.values()}
    paths |= {each.path for each in flags.values()} | ({moment.path} if moment else set())
    return JsonMap(where, values, moment, user, number, context, flags, frozenset(paths - {()}))


def word_of(said: object) -> str:
    """A JSON value as one word, so that TOML's true and JSON's true are the same."""
    return str(said).lower() if isinstance(said, bool) else str(said)
