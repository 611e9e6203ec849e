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
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel, col

from devices import topics
from devices.profile import Profile, all_profiles
from devices.vendor import plain_address
from hub.clock import Clock
from hub.db import Read, Store, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound, Refused
from hub.events import CredentialChanged
from hub.i18n import _
from hub.rng import secret
from hub.types import UtcTime
from hub.uplink import Account, Door

log = logging.getLogger(__name__)
STAMP_POLL_S = 1.0  # a revocation by the command line is felt within this; the promise is 5 s
OVERLAP_S_MAX = 7 * 86_400  # the old password works so long at most while somebody drives from hut to hut


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
    calibrated_on: date | None = Field(default=None)  # the day its certificate was issued
    place: str = Field(default="", max_length=64)  # where in the hut it stands, in the words of who put it there
    lot: str | None = Field(default=None, max_length=64)  # of the strips in it


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
    old_hash: str | None = Field(default=None, max_length=64)  # the password before the last rotation ...
    old_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # ... which works until then


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
    calibrated_until: datetime | None = None  # None: no certificate says when
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A credential as CONNECT is judged by it."""

    account: Account
    secret_hash: str
    old_hash: str | None = None
    old_until: datetime | None = None

    def opens(self, given: str, now: datetime) -> bool:
        old = self.old_hash if self.old_until is not None and now < self.old_until else None
        # Both are compared whatever the first says: the time must not tell which of them was nearly right.
        return hmac.compare_digest(given, self.secret_hash) | hmac.compare_digest(given, old or "0" * 64)

    def stands(self, later: _Entry | None) -> bool:
        """Whether a connection opened under this entry may go on under the later one."""
        if later is None or later.account != self.account:
            return False
        return later.secret_hash == self.secret_hash or later.old_hash == self.secret_hash


@dataclass(frozen=True, slots=True)
class _View:
    accounts: Mapping[str, _Entry]
    gateways: Mapping[str, str]
    devices: Mapping[str, KnownDevice]
    areas: Mapping[str, str]
    addresses: Mapping[str, KnownDevice | None]  # plain serial number -> the one device that has it


_NOBODY = _Entry(Account("", ""), "0" * 64)
_EMPTY = _View(*(MappingProxyType({}) for _ in range(5)))


class Registry:
    """Devices and accounts as of the last look; what ingest and the front door ask."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._view = _EMPTY
        self._version = -1

    async def authenticate(self, username: str, password: bytes) -> Account | None:
        entry = self._view.accounts.get(username, _NOBODY)
        return entry.account if entry.opens(hashlib.sha256(password).hexdigest(), self._clock.now()) else None

    def device(self, ident: str) -> KnownDevice | None:
        return self._view.devices.get(ident)

    def gateway_area(self, gateway: str) -> str | None:
        return self._view.gateways.get(gateway)

    def addressed(self, address: str) -> KnownDevice | None:
        """The device that foreign messages name by this address (hub/foreign.py)."""
        return self._view.addresses.get(address)

    def area_path(self, code: str) -> str:
        return self._view.areas.get(code, code)

    def devices(self) -> Mapping[str, KnownDevice]:
        return self._view.devices

    def accounts(self) -> Sequence[Account]:
        return [entry.account for entry in self._view.accounts.values()]

    async def load(self) -> set[str]:
        """Read the tables if their stamp moved. Returns the accounts that lost or changed their credential."""
        version = await self._store.read(_stamp)
        over = self._overlaps_over()
        if version == self._version:
            return over
        before = self._view.accounts
        self._view = await self._store.read(_load)
        self._version = version
        after = self._view.accounts
        return over | {user for user, entry in before.items() if not entry.stands(after.get(user))}

    def _overlaps_over(self) -> set[str]:
        """Accounts whose old password has just ended. Nobody knows which of their connections still lives by it."""
        now, entries = self._clock.now(), self._view.accounts.items()
        over = {user for user, entry in entries if entry.old_until is not None and entry.old_until <= now}
        if over:
            kept = {
                user: replace(entry, old_hash=None, old_until=None) if user in over else entry
                for user, entry in entries
            }
            self._view = replace(self._view, accounts=MappingProxyType(kept))
        return over

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
    return int(read.session.execute(_STAMP).scalar() or 0)


_STAMP = select(col(Stamp.version)).where(col(Stamp.name) == "registry")  # made once: asked every second for ever


def _load(read: Read) -> _View:
    gateways = {row.id: row.area for row in read.session.execute(select(Gateway)).scalars()}
    places = list(read.session.execute(select(col(Area.code), col(Area.path), col(Area.tz))))
    areas, zones = {code: path for code, path, _tz in places}, {code: tz for code, _path, tz in places}
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
            _end_of(row.calibration_due, zones[gateways[row.gateway]]),
            row.lot,
        )
        for row in read.session.execute(select(Device)).scalars()
    }
    accounts: dict[str, _Entry] = {}
    now = read.now()
    for row in read.session.execute(select(Credential).where(col(Credential.revoked).is_(None))).scalars():
        old = row.old_until is not None and now < row.old_until
        accounts[row.user] = _Entry(
            _account(row), row.secret_hash, row.old_hash if old else None, row.old_until if old else None
        )
    return _View(*(MappingProxyType(part) for part in (accounts, gateways, devices, areas, _addresses(devices))))


def _addresses(devices: Mapping[str, KnownDevice]) -> dict[str, KnownDevice | None]:
    """By serial number in its plain spelling. One that two devices claim names neither."""
    found: dict[str, KnownDevice | None] = {}
    for device in devices.values():
        if device.serial and (plain := plain_address(device.serial)):
            found[plain] = None if plain in found else device
    return found


def _end_of(day: date | None, tz: str) -> datetime | None:
    """The moment after the last day on which a certificate holds, by the clock of the place."""
    if day is None or day >= date.max:
        return None
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(tz)).astimezone(UTC)


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


def moved(tx: Tx) -> None:
    """What every process holds of the registry in memory is old from this commit on."""
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
    moved(tx)
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
            old_hash=None,
            old_until=None,
        )
    )
    moved(tx)
    return password


def rotate_credential(tx: Tx, user: str, *, overlap_s: int = 0) -> str:
    """A new password. With an overlap the old one works on so long, and only then its connections are cut."""
    row = tx.session.get(Credential, user)
    if row is None:
        raise NotFound(_("There is no such account"))
    if not 0 <= overlap_s <= OVERLAP_S_MAX:
        raise Refused(_("The old password works on for a week at most"))
    before = row.secret_hash
    password = grant_credential(tx, user, row.kind, row.area, json.loads(row.allow), json.loads(row.deny))
    if overlap_s:
        fresh = tx.session.get_one(Credential, user)
        fresh.old_hash, fresh.old_until = before, tx.now() + timedelta(seconds=overlap_s)
        tx.session.add(fresh)
    tx.emit(CredentialChanged, user=user, how="rotated", overlap_s=overlap_s)
    return password


def revoke_credential(tx: Tx, user: str) -> None:
    row = tx.session.get(Credential, user)
    if row is None:
        raise NotFound(_("There is no such account"))
    row.revoked, row.old_hash, row.old_until = tx.now(), None, None
    tx.session.add(row)
    moved(tx)
    tx.emit(CredentialChanged, user=user, how="revoked")


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
    state: str = "active",
    place: str = "",
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
        state=state,
        place=place,
    )
    tx.session.add(device)
    tx.session.flush()
    moved(tx)
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
