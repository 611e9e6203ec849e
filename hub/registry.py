"""The registry: huts, gateways, devices, and the credentials that open the front door.

A credential is a random 256-bit text shown once; the store keeps its SHA-256. `Registry` is the hub's view in memory:
read for every CONNECT and every frame, loaded anew whenever the `registry` stamp moves, also by another process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from sqlalchemy import Column, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel, col

from devices import topics
from devices.profile import Profile, all_profiles
from hub.clock import Clock
from hub.db import Read, Store, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import _
from hub.rng import secret
from hub.types import UtcTime
from hub.uplink import Account, Door

log = logging.getLogger(__name__)
STAMP_POLL_S = 1.0  # a revocation by the command line is felt within this; the promise is 5 s
DEVICE_STATES = ("registered", "provisioned", "active", "quarantined", "retired")


class Stamp(SQLModel, table=True):
    """Version numbers that tell one process what another changed."""

    __tablename__ = "stamp"
    name: str = Field(primary_key=True, max_length=32)
    version: int = Field(default=0)


class Hut(SQLModel, table=True):
    __tablename__ = "hut"
    id: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    zh: str = Field(max_length=64)
    en: str = Field(max_length=64)
    place_zh: str = Field(default="", max_length=64)
    place_en: str = Field(default="", max_length=64)


class Gateway(SQLModel, table=True):
    __tablename__ = "gateway"
    id: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    hut: str | None = Field(default=None, foreign_key="hut.id", max_length=64)


class Device(SQLModel, table=True):
    __tablename__ = "device"
    id: str = Field(primary_key=True, max_length=64)
    gateway: str = Field(foreign_key="gateway.id", max_length=64, index=True)
    hut: str | None = Field(default=None, foreign_key="hut.id", max_length=64, index=True)
    profile: str | None = Field(default=None, max_length=64)  # None: stands in the hut, sends no readings yet
    kind: str = Field(max_length=16)
    zh: str = Field(max_length=64)
    en: str = Field(max_length=64)
    serial: str | None = Field(default=None, max_length=64)
    firmware: str | None = Field(default=None, max_length=64)
    state: str = Field(default="active", max_length=16)
    upkeep: str | None = Field(default=None, max_length=32)  # calibration_due | out_of_paper | maintenance
    calibration: str | None = Field(default=None, max_length=64)
    calibration_due: date | None = Field(default=None)


class Credential(SQLModel, table=True):
    """An MQTT account: a gateway, a screen, an integrator."""

    __tablename__ = "credential"
    user: str = Field(primary_key=True, max_length=64)
    kind: str = Field(max_length=16)
    area: str = Field(default="", max_length=12)
    secret_hash: str = Field(max_length=64)
    allow: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    deny: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    made: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    revoked: datetime | None = Field(default=None, sa_column=Column(UtcTime))


@dataclass(frozen=True, slots=True)
class KnownDevice:
    id: str
    gateway: str
    hut: str | None
    area: str
    kind: str
    state: str
    serial: str | None
    firmware: str | None
    calibration: str | None
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class _View:
    accounts: Mapping[str, tuple[Account, str]]
    gateways: Mapping[str, str]
    devices: Mapping[str, KnownDevice]
    areas: Mapping[str, str]


_EMPTY = _View(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


class Registry:
    """Devices and accounts as of the last look; what ingest and the front door ask."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._view = _EMPTY
        self._version = -1

    async def authenticate(self, username: str, password: bytes) -> Account | None:
        account, stored = self._view.accounts.get(username, (None, "0" * 64))
        given = hashlib.sha256(password).hexdigest()
        return account if hmac.compare_digest(given, stored) else None

    def device(self, ident: str) -> KnownDevice | None:
        return self._view.devices.get(ident)

    def gateway_area(self, gateway: str) -> str | None:
        return self._view.gateways.get(gateway)

    def area_path(self, code: str) -> str:
        return self._view.areas.get(code, code)

    def devices(self) -> Mapping[str, KnownDevice]:
        return self._view.devices

    def accounts(self) -> Sequence[Account]:
        return [account for account, _secret in self._view.accounts.values()]

    async def load(self) -> set[str]:
        """Read the tables if their stamp moved. Returns the accounts that lost or changed their credential."""
        version = await self._store.read(_stamp)
        if version == self._version:
            return set()
        before = self._view.accounts
        self._view = await self._store.read(_load)
        self._version = version
        after = self._view.accounts
        return {user for user, entry in before.items() if after.get(user) != entry}

    def look(self) -> None:
        """The same without a loop: the command line, and the demo's seed."""
        self._version = self._store.read_now(_stamp)
        self._view = self._store.read_now(_load)

    async def follow(self, door: Door | None) -> None:
        """Keep up with changes for ever; cut the connections of whoever was revoked or rotated."""
        while True:
            await self._clock.sleep(STAMP_POLL_S)
            try:
                changed = await self.load()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("the registry could not be read; the last view stays in force")
                continue
            for user in changed:
                if door is not None:
                    await door.cut(user)


def _stamp(read: Read) -> int:
    row = read.session.get(Stamp, "registry")
    return row.version if row else 0


def _load(read: Read) -> _View:
    gateways = {row.id: row.area for row in read.session.execute(select(Gateway)).scalars()}
    profiles = all_profiles()
    devices = {
        row.id: KnownDevice(
            row.id,
            row.gateway,
            row.hut,
            gateways[row.gateway],
            row.kind,
            row.state,
            row.serial,
            row.firmware,
            row.calibration,
            profiles.get(row.profile or ""),
        )
        for row in read.session.execute(select(Device)).scalars()
    }
    accounts = {}
    for row in read.session.execute(select(Credential).where(col(Credential.revoked).is_(None))).scalars():
        accounts[row.user] = (_account(row), row.secret_hash)
    areas = {code: path for code, path in read.session.execute(select(col(Area.code), col(Area.path)))}
    return _View(*(MappingProxyType(part) for part in (accounts, gateways, devices, areas)))


def _account(row: Credential) -> Account:
    if row.kind == "gateway":
        return Account(
            row.user,
            row.kind,
            topics.gateway_publishes(row.area, row.user),
            topics.gateway_subscribes(row.area, row.user),
            area=row.area,
        )
    if row.kind in ("screen", "speaker"):
        says = topics.speaker_publishes(row.area, row.user) if row.kind == "speaker" else ()
        return Account(row.user, row.kind, says, (topics.board(row.area), topics.HUB_STATE), area=row.area)
    allow, deny = tuple(json.loads(row.allow)), tuple(json.loads(row.deny))
    return Account(row.user, row.kind, allow, allow, deny, row.area)


def _moved(tx: Tx) -> None:
    # One statement for first and later: two first writers would both find nothing to update, and one would fail.
    dialect = postgresql if tx.session.get_bind().dialect.name == "postgresql" else sqlite
    first = dialect.insert(Stamp).values(name="registry", version=1)
    later = {"version": col(Stamp.version) + 1}
    tx.session.execute(first.on_conflict_do_update(index_elements=["name"], set_=later))
    tx.touch("operations.huts", "all")


def _check_id(ident: str) -> None:
    if not topics.is_id(ident):
        raise Refused(_("An id is 1 to 64 small letters, digits or hyphens"))


def found_hut(tx: Tx, ident: str, area: str, zh: str, en: str, place_zh: str = "", place_en: str = "") -> Hut:
    _check_id(ident)
    if tx.session.get(Area, area) is None:
        raise NotFound(_("There is no such area"))
    hut = Hut(id=ident, area=area, zh=zh, en=en, place_zh=place_zh, place_en=place_en)
    tx.session.add(hut)
    tx.session.flush()
    _moved(tx)
    return hut


def add_gateway(tx: Tx, ident: str, area: str, hut: str | None = None) -> str:
    """Enter a gateway; gives its password, shown this once."""
    if not topics.is_gateway(ident):
        raise Refused(_("An id is 1 to 64 small letters, digits or hyphens"))
    if tx.session.get(Gateway, ident) is not None:
        raise Conflict(_("There is a gateway of this name already"))
    tx.session.add(Gateway(id=ident, area=area, hut=hut))
    tx.session.flush()
    return grant_credential(tx, ident, "gateway", area)


def grant_credential(
    tx: Tx, user: str, kind: str, area: str = "", allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> str:
    """Make or replace an account's password; live connections under the old one are cut."""
    _check_id(user)
    password = secret(tx.rng)
    tx.session.merge(
        Credential(
            user=user,
            kind=kind,
            area=area,
            secret_hash=hashlib.sha256(password.encode()).hexdigest(),
            allow=json.dumps(list(allow)),
            deny=json.dumps(list(deny)),
            made=tx.now(),
            revoked=None,
        )
    )
    _moved(tx)
    return password


def rotate_credential(tx: Tx, user: str) -> str:
    row = tx.session.get(Credential, user)
    if row is None:
        raise NotFound(_("There is no such account"))
    return grant_credential(tx, user, row.kind, row.area, json.loads(row.allow), json.loads(row.deny))


def revoke_credential(tx: Tx, user: str) -> None:
    row = tx.session.get(Credential, user)
    if row is None:
        raise NotFound(_("There is no such account"))
    row.revoked = tx.now()
    tx.session.add(row)
    _moved(tx)


def add_device(
    tx: Tx,
    ident: str,
    gateway: str,
    profile: str | None,
    zh: str = "",
    en: str = "",
    *,
    kind: str = "",
    serial: str | None = None,
    upkeep: str | None = None,
    calibration_due: date | None = None,
) -> Device:
    """Enter a device behind a gateway. Its profile owns codec, units and ranges; without one it sends nothing."""
    _check_id(ident)
    behind = tx.session.get(Gateway, gateway)
    if behind is None:
        raise NotFound(_("There is no such gateway; add it first"))
    known = all_profiles().get(profile) if profile else None
    if profile and known is None:
        raise Refused(_("No device profile is named {profile}").format(profile=profile))
    if known is None and not kind:
        raise Refused(_("A device without a profile needs a kind"))
    if tx.session.get(Device, ident) is not None:
        raise Conflict(_("There is a device of this name already"))
    device = Device(
        id=ident,
        gateway=gateway,
        hut=behind.hut,
        profile=profile,
        kind=known.kind if known else kind,
        zh=zh or (known.title_zh if known else kind),
        en=en or (known.title_en if known else kind),
        serial=serial,
        upkeep=upkeep,
        calibration_due=calibration_due,
    )
    tx.session.add(device)
    tx.session.flush()
    _moved(tx)
    return device


def set_device_state(tx: Tx, ident: str, state: str) -> Device:
    device = tx.session.get(Device, ident)
    if device is None:
        raise NotFound(_("There is no such device"))
    if state not in DEVICE_STATES:
        raise Refused(_("A device is one of: {states}").format(states=", ".join(DEVICE_STATES)))
    device.state = state
    tx.session.add(device)
    _moved(tx)
    return device


def hut(read: Read, ident: str) -> Hut:
    found = read.session.get(Hut, ident)
    if found is None:
        raise NotFound(_("There is no such hut"))
    return found


def huts(read: Read) -> list[Hut]:
    return list(read.session.execute(select(Hut).order_by(col(Hut.area), col(Hut.id))).scalars())


def devices_of_hut(read: Read, hut_id: str) -> list[Device]:
    return list(
        read.session.execute(select(Device).where(col(Device.hut) == hut_id).order_by(col(Device.id))).scalars()
    )
