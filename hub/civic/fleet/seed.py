"""The demo's papers: every model that must be verified has a certificate, one of them ends within the week."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from devices.profile import all_profiles
from hub.civic.fleet import certificates
from hub.civic.fleet.certificates import Paper
from hub.db import Tx
from hub.registry import Device

DUE_IN_DAYS = 6  # of the device that is due in the demo's plan; the others have most of a year
INSTITUTE = "荆门市计量检定测试所"


def seed(tx: Tx, world: Any) -> None:
    today = world.now.date()
    rows = tx.session.execute(select(Device).where(col(Device.profile).is_not(None)).order_by(col(Device.id))).scalars()
    for number, device in enumerate(rows.all(), start=1):
        model = all_profiles().get(device.profile or "")
        if model is None or model.verification is None or device.gateway == "free-hand":
            continue
        ends = DUE_IN_DAYS if device.upkeep == "calibration_due" else 90 + 7 * number
        due: date = today + timedelta(days=ends)
        upkeep = device.upkeep
        paper = Paper(
            f"JD-2026-{number:04d}", INSTITUTE, model.verification.standard, due - timedelta(days=364), due, True
        )
        certificates.enter(tx, device.id, paper)
        device.upkeep = upkeep  # the demo keeps its one device that is due
        tx.session.add(device)
