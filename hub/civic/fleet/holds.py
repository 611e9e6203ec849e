"""Holds: a device that should not be believed is out of use until somebody lets it back with a reason.

Frames of a held device are set aside, each with a sentence, and none becomes a reading. A hold on a device that nobody
registered only tells.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from hub import lifecycle
from hub.civic.fleet.models import Hold
from hub.civic.fleet.rules import Finding, rules
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import _
from hub.registry import Device, Gateway
from hub.upkeep import DeviceHeld, DeviceReleased
from hub.upsert import insert_for

WHY_CHARS_MAX = 200
BY_RULE = "rule:"


@dataclass(frozen=True, slots=True)
class Told:
    """A hold as a page shows it."""

    id: str
    device: str
    gateway: str
    rule: str
    sentence: str
    hold: Hold


def place(tx: Tx, finding: Finding) -> bool:
    """Hold a device back by a rule; what is held by it already stays as it is."""
    gateway = tx.session.get(Gateway, finding.gateway)
    row = {
        "id": tx.new_id(),
        "device": finding.device,
        "gateway": finding.gateway,
        "area": gateway.area if gateway is not None else "",
        "rule": finding.rule,
        "fields": json.dumps(dict(finding.fields), ensure_ascii=False),
        "at": tx.now(),
        "released_by": "",
        "why": "",
    }
    open_one = {"index_elements": ["device", "rule"], "index_where": col(Hold.released_at).is_(None)}
    made = insert_for(tx)(Hold).values(row).on_conflict_do_nothing(**open_one).returning(col(Hold.id))
    ident = tx.session.execute(made).scalar()
    if ident is None:
        return False
    rule, found = rules()[finding.rule], tx.session.get(Device, finding.device)
    tx.emit(
        DeviceHeld, hold=ident, device=finding.device, gateway=finding.gateway, area=str(row["area"]),
        rule=finding.rule, out_of_use=rule.action == "quarantine", zh=rule.zh.format(**finding.fields),
        en=rule.en.format(**finding.fields),
    )  # fmt: skip
    if rule.action == "quarantine" and found is not None and found.state in ("active", "provisioned"):
        lifecycle.move(tx, found.id, "quarantined", f"{BY_RULE}{finding.rule}")
    return True


def release(tx: Tx, ident: str, why: str) -> Hold:
    """Let a device back, with the reason; the last of its holds brings it into use again."""
    hold = tx.session.get(Hold, ident)
    if hold is None:
        raise NotFound(_("There is nothing to release"))
    if hold.released_at is not None:
        return hold
    why = why.strip()
    if not 0 < len(why) <= WHY_CHARS_MAX:
        raise Refused(_("Say what was done, in {n} characters at most").format(n=WHY_CHARS_MAX))
    hold.released_at, hold.released_by, hold.why = tx.now(), tx.actor.id, why
    tx.session.add(hold)
    tx.session.flush()
    tx.emit(DeviceReleased, hold=hold.id, device=hold.device, area=hold.area, rule=hold.rule, why=why)
    found = tx.session.get(Device, hold.device)
    if found is not None and found.state == "quarantined" and not _binding(tx, hold.device):
        lifecycle.move(tx, hold.device, "active", f"released: {why}")
    return hold


def release_rule(tx: Tx, device: str, rule: str, why: str) -> None:
    """What the rule asked for has been done."""
    for hold in open_of(tx, device):
        if hold.rule == rule:
            release(tx, hold.id, why)


def _binding(read: Read, device: str) -> bool:
    return any(rules()[hold.rule].action == "quarantine" for hold in open_of(read, device) if hold.rule in rules())


def open_of(read: Read, device: str) -> list[Hold]:
    rule = select(Hold).where(col(Hold.device) == device, col(Hold.released_at).is_(None)).order_by(col(Hold.at))
    return list(read.session.execute(rule).scalars())


def of_device(read: Read, device: str) -> Sequence[Told]:
    """Every hold of a device, the newest first."""
    rule = select(Hold).where(col(Hold.device) == device).order_by(col(Hold.at).desc(), col(Hold.id).desc()).limit(20)
    return [told(hold) for hold in read.session.execute(rule).scalars()]


def open_in(read: Read, areas: Collection[str] | None) -> list[Told]:
    """What is held back now; None: everywhere."""
    rule = select(Hold).where(col(Hold.released_at).is_(None)).order_by(col(Hold.at).desc()).limit(200)
    return [told(hold) for hold in read.session.execute(rule).scalars() if areas is None or hold.area in areas]


def told(hold: Hold) -> Told:
    rule = rules().get(hold.rule)
    sentence = rule.sentence(json.loads(hold.fields)) if rule is not None else hold.rule
    return Told(hold.id, hold.device, hold.gateway, hold.rule, sentence, hold)
