"""The fleet as its pages show it: every device with its place, its step of life, its papers and what holds it back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlmodel import col

from devices.codes import of_person
from devices.profile import Profile, all_profiles
from hub import directory, held, lifecycle, quarantine, recall, twin
from hub.access import Subject, covers
from hub.audit import AuditRow
from hub.civic.fleet import certificates, holds, lots
from hub.civic.fleet.certificates import Standing
from hub.civic.fleet.holds import Told
from hub.civic.fleet.models import Certificate, ControlCheck, StripLot
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.held import Standing as Aside
from hub.i18n import N_, _, pick
from hub.presence import Sighting
from hub.recall import Recall
from hub.registry import Device, Gateway, Hut
from hub.twin import Command, Difference, Twin

ROWS_MAX = 500  # of one page; the search narrows it
HISTORY_MAX = 30
VIEW, CLAIM, ACT = "fleet.view", "fleet.claim", "fleet.act"
# A step's word and the look of its tag.
LIFE: Mapping[str, tuple[str, str]] = {
    "registered": (N_("Registered"), "plain"),
    "provisioned": (N_("Set up"), "info"),
    "active": (N_("In use"), "ok"),
    "quarantined": (N_("Held back"), "bad"),
    "retired": (N_("Retired"), "plain"),
}
PAPER: Mapping[Standing, tuple[str, str]] = {
    "none": (N_("No certificate"), "plain"),
    "ok": (N_("Certificate valid"), "ok"),
    "soon": (N_("Certificate ends soon"), "warn"),
    "over": (N_("Certificate over"), "bad"),
    "failed": (N_("Verification failed"), "bad"),
}
COMMANDS: Mapping[str, str] = {
    "sync-clock": N_("Set its clock"),
    "read-records": N_("Fetch stored records"),
    "identify": N_("Let it blink"),
    "print": N_("Print a slip"),
}
COMMAND_STATES: Mapping[str, tuple[str, str]] = {
    "waiting": (N_("Waiting"), "plain"),
    "sent": (N_("Sent"), "info"),
    "done": (N_("Done"), "ok"),
    "failed": (N_("Failed"), "bad"),
    "expired": (N_("Expired"), "warn"),
}


# What the audit log calls it, as people say it.
HAPPENED: Mapping[str, str] = {
    "DeviceEntered": N_("registered, label printed"),
    "DeviceClaimed": N_("set up by its label"),
    "DeviceMoved": N_("its state changed"),
    "DeviceHeld": N_("held back by a rule"),
    "DeviceReleased": N_("let back into use"),
    "DeviceChanged": N_("its gateway reported it gone or back"),
    "FramesTakenIn": N_("frames set aside were taken in"),
    "FramesLeft": N_("frames set aside were left out"),
    "CertificateEntered": N_("certificate entered"),
    "CertificateDue": N_("warned: its certificate ends"),
    "LotOpened": N_("a new box of strips"),
    "ControlChecked": N_("control solution measured"),
    "CommandOrdered": N_("a command was given"),
    "CommandEnded": N_("a command ended"),
    "TwinChanged": N_("a setting was wished"),
}


def models() -> list[Profile]:
    """What can be registered: things that measure people, real models before the generic ones."""
    found = [each for each in all_profiles().values() if of_person(each.kind)]
    return sorted(found, key=lambda each: (each.id.startswith("generic."), each.kind, each.id))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    id: str
    name: str
    kind: str
    hut: str
    place: str
    where: str
    state: str
    serial: str
    firmware: str
    newest: bool  # no other device of the model reports a newer firmware
    due: date | None
    paper: Standing
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A device's own page."""

    device: Device
    name: str
    hut: str
    where: str
    profile: Profile | None
    paper: Standing
    days_left: int | None
    certificates: Sequence[Certificate]
    lot: StripLot | None
    lots: Sequence[StripLot]
    checks: Sequence[ControlCheck]
    twin: Twin
    desired: Mapping[str, object]
    reported: Mapping[str, object]
    delta: Sequence[Difference]
    commands: Sequence[Command]
    holds: Sequence[Told]
    aside: Aside  # frames from while it was held back
    refused: Sequence[tuple[str, int]]  # of those, what was refused after all: why, in words, and how many
    recalls: Sequence[Recall]
    history: Sequence[AuditRow]
    steps: tuple[str, ...]


def rows(read: Read, who: Subject, search: str = "") -> list[Row]:
    """The devices of one's areas, retired ones last. A search meets id, serial, model and place."""
    held: dict[str, list[str]] = defaultdict(list)
    for each in holds.open_in(read, None):
        held[each.device].append(each.sentence)
    firmwares = _newest(read)
    rule = (
        select(Device, Hut, Area)
        .join(Gateway, col(Gateway.id) == col(Device.gateway))
        .join(Area, col(Area.code) == col(Gateway.area))
        .outerjoin(Hut, col(Hut.id) == col(Device.hut))
        .order_by(col(Area.path), col(Device.id))
    )
    wanted, found = search.strip().lower(), []
    paths = who.paths(VIEW)
    for device, hut, area in read.session.execute(rule):
        if not any(covers(path, area.path) for path in paths):
            continue
        row = _row(read, device, hut, area, held.get(device.id, []), firmwares)
        texts = (row.id, row.serial, row.name, row.hut, row.place, row.where, device.profile or "")
        if not wanted or any(wanted in text.lower() for text in texts):
            found.append(row)
    return sorted(found, key=_urgency)[:ROWS_MAX]


def _urgency(row: Row) -> tuple[bool, bool, int, str]:
    order = ("over", "failed", "soon", "none", "ok")
    return row.state == "retired", not row.holds, order.index(row.paper), row.id


def _row(
    read: Read, device: Device, hut: Hut | None, area: Area, held: Sequence[str], firmwares: Mapping[str, str]
) -> Row:
    return Row(
        device.id,
        pick(device.zh, device.en),
        device.kind,
        pick(hut.zh, hut.en) if hut else device.gateway,
        device.place,
        pick(area.zh, area.en),
        device.state,
        device.serial or "",
        device.firmware or "",
        firmwares.get(device.profile or "", "") in ("", device.firmware or ""),
        device.calibration_due,
        certificates.standing(device.calibration_due, certificates.today(read, device)),
        tuple(held),
    )


def _newest(read: Read) -> dict[str, str]:
    """The firmware most devices of a model report: a version's number says nothing across makers."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    rule = select(col(Device.profile), col(Device.firmware)).where(col(Device.firmware).is_not(None))
    for profile, firmware in read.session.execute(rule):
        seen[profile or ""][str(firmware)] += 1
    return {profile: versions.most_common(1)[0][0] for profile, versions in seen.items()}


def one(read: Read, who: Subject, ident: str, permission: str = VIEW) -> Device:
    """A device of one's own areas; one of elsewhere is not there."""
    device = lifecycle.device(read, ident)
    if not who.may(permission, lifecycle.path_of(read, device)):
        raise NotFound(_("There is no such device"))
    return device


def sheet(read: Read, who: Subject, ident: str) -> Sheet:
    device = one(read, who, ident)
    hut = read.session.get(Hut, device.hut) if device.hut else None
    area = directory.area(read, lifecycle.area_of(read, device))
    papers, body = certificates.of_device(read, ident), twin.of(read, ident)
    today = certificates.today(read, device)
    paper = certificates.standing(device.calibration_due, today)
    if papers and papers[0].result == "fail":
        paper = "failed"
    ordered = select(Command).where(col(Command.device) == ident).order_by(col(Command.made).desc()).limit(20)
    aside = held.standing(read, ident)
    told = select(AuditRow).where(col(AuditRow.subject) == ident).order_by(col(AuditRow.seq).desc())
    return Sheet(
        device,
        pick(device.zh, device.en),
        pick(hut.zh, hut.en) if hut else device.gateway,
        pick(area.zh, area.en),
        all_profiles().get(device.profile or ""),
        paper,
        (device.calibration_due - today).days if device.calibration_due else None,
        papers,
        lots.current(read, ident),
        lots.of_device(read, ident),
        lots.checks(read, ident),
        body,
        twin.desired(body),
        twin.reported(body),
        twin.delta(twin.desired(body), twin.reported(body)),
        list(read.session.execute(ordered).scalars()),
        holds.of_device(read, ident),
        aside,
        [(quarantine.words(reason), count) for reason, count in aside.refused.items()],
        recall.of_device(read, ident),
        list(read.session.execute(told.limit(HISTORY_MAX)).scalars()),
        tuple(sorted(lifecycle.STEPS[device.state])),
    )


def strangers(read: Read, who: Subject) -> list[Told]:
    """Devices that gateways of one's areas pass on and nobody registered."""
    paths = {row.code: row.path for row in read.session.execute(select(Area)).scalars()}
    mine = who.paths(VIEW)
    known = set(read.session.execute(select(col(Device.id))).scalars())
    return [
        each
        for each in holds.open_in(read, None)
        if each.device not in known and any(covers(path, paths.get(each.hold.area, "-")) for path in mine)
    ]


def sightings(read: Read, ident: str) -> list[Sighting]:
    rule = select(Sighting).where(col(Sighting.device) == ident).order_by(col(Sighting.at).desc())
    return list(read.session.execute(rule).scalars())
