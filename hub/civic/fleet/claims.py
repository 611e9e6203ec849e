"""Claims: a label with a short code, printed when a device is registered, used once by whoever sets it up in a hut.

A code has 40 bits, works for thirty days and once; five wrong ones close it to that person for ten minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlmodel import col

from devices.profile import all_profiles
from hub import directory, registry
from hub.access import Subject, covers
from hub.civic.fleet.events import DeviceClaimed, DeviceEntered
from hub.civic.fleet.models import Claim, Try
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotFound, Refused, TooMany
from hub.events import DeviceMoved
from hub.i18n import _, pick
from hub.registry import Device, Gateway, Hut
from hub.rng import code as short_code

CODE_CHARS = 8
VALID_DAYS = 30  # from the warehouse to the hut, with a holiday in between
TRIES_MAX, TRIES_WITHIN = 5, timedelta(minutes=10)
PLACE_CHARS_MAX = 64
# What people read or type for what the code never holds.
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "u": "v", " ": None, "-": None})


@dataclass(frozen=True, slots=True)
class Label:
    """What is printed: the code stands here this once."""

    device: str
    code: str
    title: str
    serial: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Spot:
    """A gateway at which this device may be set up."""

    gateway: str
    hut: str
    area: str


def enter(tx: Tx, who: Subject, permission: str, area: str, profile: str, serial: str = "") -> Label:
    """Register a device that stands nowhere yet, and make its label."""
    who.require(permission, directory.area(tx, area).path)
    known = all_profiles().get(profile)
    if known is None:
        raise Refused(_("No device profile is named {profile}").format(profile=profile))
    serial = serial.strip()
    if len(serial) > 64 or not serial.isprintable():
        raise Refused(_("A serial number has 64 characters at most"))
    code, device = short_code(tx.rng, CODE_CHARS), f"device-{short_code(tx.rng)}"
    claim = Claim(
        id=tx.new_id(),
        device=device,
        profile=profile,
        serial=serial or None,
        area=area,
        code_hash=_hash(code),
        made=tx.now(),
        made_by=tx.actor.id,
        expires=tx.now() + timedelta(days=VALID_DAYS),
    )
    tx.session.add(claim)
    tx.session.flush()
    tx.emit(DeviceEntered, claim=claim.id, device=device, profile=profile, area=area)
    return Label(device, code, pick(known.title_zh, known.title_en), serial, claim.expires)


def again(tx: Tx, who: Subject, permission: str, ident: str) -> Label:
    """A new label for a device nobody has set up: the old code is worth nothing from here on."""
    claim = tx.session.get(Claim, ident)
    if claim is None:
        raise NotFound(_("There is no such device"))
    who.require(permission, directory.area(tx, claim.area).path)
    if claim.used_at is not None:
        raise Conflict(_("This device is set up already"))
    code, known = short_code(tx.rng, CODE_CHARS), all_profiles()[claim.profile]
    claim.code_hash, claim.expires = _hash(code), tx.now() + timedelta(days=VALID_DAYS)
    tx.session.add(claim)
    tx.emit(DeviceEntered, claim=claim.id, device=claim.device, profile=claim.profile, area=claim.area)
    return Label(claim.device, code, pick(known.title_zh, known.title_en), claim.serial or "", claim.expires)


def find(tx: Tx, who: Subject, permission: str, typed: str) -> Claim | None:
    """The device behind a code, or None; a wrong code is counted, so what calls this must commit."""
    subject = f"{who.kind}:{who.id}"
    count = tx.session.get(Try, subject) or Try(who=subject, tries=0, since=tx.now())
    if tx.now() - count.since > TRIES_WITHIN:
        count.tries, count.since = 0, tx.now()
    if count.tries >= TRIES_MAX:
        left = count.since + TRIES_WITHIN - tx.now()
        raise TooMany(_("Too many wrong codes; wait ten minutes and read the label again"), int(left.total_seconds()))
    rule = select(Claim).where(
        col(Claim.code_hash) == _hash(typed), col(Claim.used_at).is_(None), col(Claim.expires) > tx.now()
    )
    claim = tx.session.execute(rule).scalar_one_or_none()
    if claim is not None and not _theirs(tx, who, permission, claim):
        claim = None  # a label of elsewhere says nothing here, and looks no different from a wrong one
    count.tries = 0 if claim is not None else count.tries + 1
    tx.session.add(count)
    return claim


def redeem(tx: Tx, who: Subject, permission: str, typed: str, gateway: str, place: str) -> Device | None:
    """Set the device up at a gateway. None: the code is wrong, used or too old, and the try was counted."""
    claim = find(tx, who, permission, typed)
    if claim is None:
        return None
    spot = tx.session.get(Gateway, gateway)
    if spot is None or gateway not in {each.gateway for each in spots(tx, who, permission, claim)}:
        raise NotFound(_("There is no such gateway; add it first"))
    place = place.strip()
    if not 0 < len(place) <= PLACE_CHARS_MAX or not place.isprintable():
        raise Refused(_("Say where it stands, in {n} characters at most").format(n=PLACE_CHARS_MAX))
    used = update(Claim).where(col(Claim.id) == claim.id, col(Claim.used_at).is_(None))
    if not tx.change(used.values(used_at=tx.now(), used_by=tx.actor.id)):
        return None  # two phones at once: one of them was first
    device = registry.add_device(
        tx, claim.device, gateway, claim.profile, serial=claim.serial, state="provisioned", place=place
    )
    tx.emit(DeviceClaimed, claim=claim.id, device=device.id, gateway=gateway, hut=device.hut, place=place)
    tx.emit(
        DeviceMoved, device=device.id, hut=device.hut, area=spot.area, before="registered", after="provisioned",
        why="claimed",
    )  # fmt: skip
    return device


def waiting(read: Read, paths: Sequence[str]) -> list[Claim]:
    """Registered and not set up, in the areas of these paths."""
    rule = (
        select(Claim, col(Area.path))
        .join(Area, col(Area.code) == col(Claim.area))
        .where(col(Claim.used_at).is_(None))
        .order_by(col(Claim.made))
    )
    return [claim for claim, path in read.session.execute(rule) if any(covers(held, path) for held in paths)]


def spots(read: Read, who: Subject, permission: str, claim: Claim) -> list[Spot]:
    """The gateways within both the claim's area and those of the person."""
    below = directory.area(read, claim.area).path
    rule = (
        select(col(Gateway.id), col(Area.path), Area, Hut)
        .join(Area, col(Area.code) == col(Gateway.area))
        .outerjoin(Hut, col(Hut.id) == col(Gateway.hut))
        .order_by(col(Area.path), col(Gateway.id))
    )
    return [
        Spot(gateway, pick(hut.zh, hut.en) if hut else gateway, pick(area.zh, area.en))
        for gateway, path, area, hut in read.session.execute(rule)
        if covers(below, path) and who.may(permission, path)
    ]


def _theirs(read: Read, who: Subject, permission: str, claim: Claim) -> bool:
    path = directory.area(read, claim.area).path
    return any(covers(held, path) or covers(path, held) for held in who.paths(permission))


def _hash(typed: str) -> str:
    return hashlib.sha256(typed.strip().lower().translate(_MISREAD)[:64].encode()).hexdigest()
