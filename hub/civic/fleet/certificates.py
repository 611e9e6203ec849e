"""Calibration certificates: what an institute wrote, when it must be renewed, and what follows when it is not.

After its last day a device goes on measuring: readings are stored, marked `uncalibrated`, and nothing classifies them
(hub/arrival.py does it where a frame is read, from what is set here).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory, lifecycle, registry
from hub.civic.fleet.models import Certificate
from hub.db import Read, Tx
from hub.errors import Refused
from hub.i18n import _
from hub.registry import Device
from hub.upkeep import CertificateDue, CertificateEntered

WARN_DAYS = (30, 7, 1, 0)  # before the last day; 0: it is over
TEXT_CHARS_MAX = 64
FILE_BYTES_MAX = 5_000_000  # a scanned page or two
Standing: TypeAlias = Literal["none", "ok", "soon", "over", "failed"]
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate as it was typed in."""

    number: str
    institute: str
    standard: str
    issued: date
    due: date
    passed: bool
    file_sha256: str = ""


def fingerprint(content: bytes) -> str:
    """Of the scanned paper; the paper itself stays in the office, and the hash proves which one it was."""
    if len(content) > FILE_BYTES_MAX:
        raise Refused(_("The file is too large; {n} MB at most").format(n=FILE_BYTES_MAX // 1_000_000))
    return hashlib.sha256(content).hexdigest() if content else ""


def enter(tx: Tx, device: str, paper: Paper) -> Certificate:
    """Enter a certificate. A failed one takes the device out of use at once."""
    found = lifecycle.device(tx, device)
    texts = (paper.number, paper.institute, paper.standard)
    if not all(text.strip() and len(text.strip()) <= TEXT_CHARS_MAX for text in texts):
        raise Refused(_("A certificate has a number, an institute and a standard, of {n} characters each").format(n=64))
    if paper.due <= paper.issued:
        raise Refused(_("A certificate ends after it was issued"))
    if paper.issued > today(tx, found):
        raise Refused(_("A certificate cannot be issued in the future"))
    if paper.file_sha256 and not _SHA256.fullmatch(paper.file_sha256):
        raise Refused(_("A file's hash has 64 hexadecimal digits"))
    made = Certificate(
        id=tx.new_id(),
        device=device,
        number=paper.number.strip(),
        institute=paper.institute.strip(),
        standard=paper.standard.strip(),
        issued=paper.issued,
        due=paper.due,
        result="pass" if paper.passed else "fail",
        file_sha256=paper.file_sha256,
        at=tx.now(),
        by=tx.actor.id,
    )
    tx.session.add(made)
    tx.session.flush()
    area = lifecycle.area_of(tx, found)
    tx.emit(CertificateEntered, certificate=made.id, device=device, area=area, number=made.number, result=made.result)
    if paper.passed:
        _put_in_force(tx, found, made)
    elif found.state in ("active", "provisioned"):
        lifecycle.move(tx, device, "quarantined", "certificate-failed")
    return made


def _put_in_force(tx: Tx, found: Device, paper: Certificate) -> None:
    """What every reading from now on freezes with itself."""
    found.calibration, found.calibration_due, found.calibrated_on = paper.number, paper.due, paper.issued
    if found.upkeep == "calibration_due":
        found.upkeep = None
    tx.session.add(found)
    registry.moved(tx)


def of_device(read: Read, device: str) -> Sequence[Certificate]:
    """Newest first."""
    rule = select(Certificate).where(col(Certificate.device) == device)
    return list(read.session.execute(rule.order_by(col(Certificate.at).desc(), col(Certificate.id).desc())).scalars())


def standing(due: date | None, today: date) -> Standing:
    if due is None:
        return "none"
    if due < today:
        return "over"
    return "soon" if (due - today).days <= WARN_DAYS[0] else "ok"


def today(read: Read, found: Device) -> date:
    """The day it is where the device stands."""
    area = read.session.get(directory.Area, lifecycle.area_of(read, found))
    return read.now().astimezone(ZoneInfo(area.tz if area is not None else "Asia/Shanghai")).date()


def step(due: date, today: date) -> int | None:
    """Which of the warnings is due by now: the smallest that fits; None: it is too early."""
    left = (due - today).days
    if left < 0:
        return 0
    fitting = [days for days in WARN_DAYS if days > 0 and left <= days]
    return min(fitting, default=None)


def warn(tx: Tx) -> int:
    """Say each step of each certificate in force once. Those that were replaced are silent."""
    rule = (
        select(Certificate, Device)
        .join(
            Device, (col(Device.id) == col(Certificate.device)) & (col(Device.calibration) == col(Certificate.number))
        )
        .where(col(Device.state) != "retired", col(Certificate.result) == "pass", col(Certificate.said_days) > 0)
    )
    said = 0
    for paper, found in tx.session.execute(rule).all():
        due = step(paper.due, today(tx, found))
        if due is None or due >= paper.said_days or found.calibration_due != paper.due:
            continue
        paper.said_days = due
        if found.upkeep is None:
            found.upkeep = "calibration_due"
        tx.session.add_all((paper, found))
        area = lifecycle.area_of(tx, found)
        tx.emit(
            CertificateDue, certificate=paper.id, device=found.id, hut=found.hut, area=area, days=due, due=paper.due
        )
        tx.touch("operations.huts", "all")
        said += 1
    return said
