"""What is published: a discovery document for each thing, and its state. Pure, and by a short list of what may be told.

Only the codes named here ever leave: of a room, never of a body. A device that measures people is told of by its line
and its upkeep, as part of its hut, never by what it measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from devices import topics

PREFIX = "homeassistant"
# code -> device class and unit of Home Assistant. A code that does not stand here is told to nobody.
ROOM: Mapping[str, tuple[str, str]] = {
    "air_temp": ("temperature", "°C"),
    "humidity": ("humidity", "%"),
    "air_pressure": ("atmospheric_pressure", "hPa"),
    "co2": ("carbon_dioxide", "ppm"),
    "light": ("illuminance", "lx"),
}


@dataclass(frozen=True, slots=True)
class Room:
    """An environment sensor and what it said last, already cut down to `ROOM`."""

    id: str
    name: str
    place: str
    model: str
    expires_s: int
    values: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Kiosk:
    """A hut: its line, and how many of its devices somebody must look after."""

    id: str
    name: str
    place: str
    online: bool
    upkeep: Sequence[str]  # calibration_due | out_of_paper | maintenance, one word for each device that needs it


def config_topic(ident: str) -> str:
    return f"{PREFIX}/device/{ident}/config"


def state_topic(ident: str) -> str:
    return f"{PREFIX}/linli/{ident}/state"


def room_id(device: str) -> str:
    return f"linli-{device}"


def kiosk_id(hut: str) -> str:
    return f"linli-hut-{hut}"


def room(each: Room) -> dict[str, bytes]:
    """topic -> payload; both are retained."""
    ident = room_id(each.id)
    parts = {
        code: {
            "p": "sensor",
            "unique_id": f"{ident}-{code}",
            "device_class": ROOM[code][0],
            "unit_of_measurement": ROOM[code][1],
            "state_class": "measurement",
            "value_template": f"{{{{ value_json.{code} }}}}",
            "expire_after": each.expires_s,
        }
        for code in sorted(each.values.keys() & ROOM.keys())
    }
    if not parts:
        return {}
    state = {code: format(number, "f") for code, number in sorted(each.values.items()) if code in ROOM}
    return _pair(ident, each.name, each.place, each.model, parts, state)


def kiosk(each: Kiosk) -> dict[str, bytes]:
    ident = kiosk_id(each.id)
    parts = {
        "line": {"p": "binary_sensor", "unique_id": f"{ident}-line", "name": "Line", "device_class": "connectivity",
                 "value_template": "{{ value_json.line }}"},
        "upkeep": {"p": "binary_sensor", "unique_id": f"{ident}-upkeep", "name": "Upkeep", "device_class": "problem",
                   "value_template": "{{ value_json.upkeep }}"},
        "paper": {"p": "binary_sensor", "unique_id": f"{ident}-paper", "name": "Paper", "device_class": "problem",
                  "value_template": "{{ value_json.paper }}"},
        "waiting": {"p": "sensor", "unique_id": f"{ident}-waiting", "name": "Devices to look after",
                    "state_class": "measurement", "value_template": "{{ value_json.waiting }}"},
    }  # fmt: skip
    state = {
        "line": "ON" if each.online else "OFF",
        "upkeep": "ON" if each.upkeep else "OFF",
        "paper": "ON" if "out_of_paper" in each.upkeep else "OFF",
        "waiting": len(each.upkeep),
    }
    return _pair(ident, each.name, each.place, "Linli kiosk", parts, state)


def _pair(
    ident: str, name: str, place: str, model: str, parts: Mapping[str, Any], state: Mapping[str, Any]
) -> dict[str, bytes]:
    document = {
        "dev": {"ids": [ident], "name": name, "mdl": model, "mf": "Linli", "sa": place},
        "o": {"name": "linli"},
        "cmps": parts,
        "state_topic": state_topic(ident),
        "availability_topic": topics.HUB_STATE,
        "availability_template": "{{ value_json.s }}",
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
    }
    return {config_topic(ident): _json(document), state_topic(ident): _json(state)}


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
