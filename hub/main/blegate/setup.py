"""The gateway's own file: which hub, which account, which devices stand here, where the printer is.

[hub]
mqtt = "mqtt://127.0.0.1:1883"
gateway = "lh-hut-1"
area = "420802002001"
password_file = "gateway.password"

[[device]]
id = "lh1-bp-1"
address = "F8:33:31:00:11:22"
profile = "omron-hem9200t"
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devices import topics
from devices.profile import Profile, all_profiles
from simulators.line import Address


class SetupWrong(ValueError):
    """The file cannot be used; the sentence names the line to change."""


@dataclass(frozen=True, slots=True)
class Place:
    """A device that stands here."""

    id: str
    address: str
    profile: str

    @property
    def model(self) -> Profile:
        return all_profiles()[self.profile]


@dataclass(frozen=True, slots=True)
class Setup:
    mqtt: str
    gateway: str
    area: str
    password_file: Path
    devices: tuple[Place, ...] = ()
    printer: str = ""
    printer_device: str = ""

    @property
    def address(self) -> Address:
        where = urlsplit(self.mqtt)
        if where.scheme != "mqtt" or not where.hostname:
            raise SetupWrong(f"hub.mqtt must look like mqtt://host:1883, not {self.mqtt!r}")
        return Address(where.hostname, where.port or 1883)

    @property
    def password(self) -> str:
        try:
            return self.password_file.read_text("utf-8").strip()
        except OSError as error:
            raise SetupWrong(f"hub.password_file {self.password_file} cannot be read: {error.strerror}") from error

    def at(self, address: str) -> Place | None:
        return next((each for each in self.devices if each.address.upper() == address.upper()), None)


def read(path: Path) -> Setup:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SetupWrong(f"{path} cannot be read: {error}") from error
    try:
        hub, printer = raw["hub"], raw.get("printer", {})
        made = Setup(
            mqtt=str(hub["mqtt"]),
            gateway=str(hub["gateway"]),
            area=str(hub["area"]),
            password_file=path.parent / str(hub["password_file"]),
            devices=tuple(_place(each) for each in raw.get("device", [])),
            printer=str(printer.get("target", "")),
            printer_device=str(printer.get("device", "")),
        )
    except KeyError as missing:
        raise SetupWrong(f"{path}: {missing.args[0]} is missing") from None
    if not topics.is_gateway(made.gateway) or not topics.is_id(made.area):
        raise SetupWrong(f"{path}: gateway and area are small letters, digits and hyphens")
    if len({each.id for each in made.devices}) < len(made.devices):
        raise SetupWrong(f"{path}: a device stands here twice")
    return made


def _place(raw: dict[str, Any]) -> Place:
    place = Place(str(raw["id"]), str(raw["address"]), str(raw["profile"]))
    if not topics.is_id(place.id):
        raise SetupWrong(f"device {place.id!r}: an id is small letters, digits and hyphens")
    if place.profile not in all_profiles():
        raise SetupWrong(f"device {place.id}: no device profile is named {place.profile}")
    return place


def with_device(path: Path, place: Place) -> Setup:
    """The file with one device more; what a person wrote in it stays as it is."""
    setup = read(path)
    if any(each.id == place.id or each.address.upper() == place.address.upper() for each in setup.devices):
        raise SetupWrong(f"{place.id} or {place.address} stands in {path} already")
    if place.profile not in all_profiles():
        raise SetupWrong(f"no device profile is named {place.profile}")
    pairs = {"id": place.id, "address": place.address, "profile": place.profile}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in pairs.items())
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(f"{path.read_text('utf-8').rstrip()}\n\n[[device]]\n{lines}", encoding="utf-8")
    os.replace(fresh, path)
    return replace(setup, devices=(*setup.devices, place))


def guess(name: str, services: tuple[str, ...]) -> tuple[str, ...]:
    """Profiles an advertisement fits: those that name the model first, then those that name its service."""
    from fnmatch import fnmatchcase

    by_name, by_service = [], []
    for each in all_profiles().values():
        service = each.match.get("service", "").lower()
        if each.match.get("name") and fnmatchcase(name, each.match["name"]):
            by_name.append(each.id)
        elif service and service in services and not each.match.get("name"):
            by_service.append(each.id)
    return (*by_name, *by_service)
