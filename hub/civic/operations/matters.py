"""Matters (事项): what another room asks of an operator, as a line of the work queue, until it says that it is over.

A device held back by a rule and a certificate that ends are told here by events; the queue's own looks at the board
know of neither. A matter about a trouble the board sees as well takes that line's place: it says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Column, Text, delete, select
from sqlmodel import Field, SQLModel, col

from hub.civic.operations import scope
from hub.civic.operations.scope import Scope
from hub.civic.operations.words import Word
from hub.db import Read, Tx
from hub.events import DeviceMoved
from hub.i18n import N_, pick
from hub.types import UtcTime
from hub.upkeep import CertificateDue, CertificateEntered, DeviceHeld, DeviceReleased
from hub.upsert import insert_for

TOPIC = "operations.work"
HELD = Word(N_("Held back"), "bad", 9)
LOOK = Word(N_("To be looked at"), "warn", 6)
OVER = Word(N_("Certificate over"), "bad", 8)
DUE = Word(N_("Calibration due"), "warn", 5)
WORDS: Mapping[str, Word] = {"held": HELD, "look": LOOK, "over": OVER, "due": DUE}
DUE_ZH = "检定证书还有 {days} 天到期（{due}），请预约计量检定"
DUE_EN = "Its certificate ends in {days} days ({due}); book the verification"
OVER_ZH = "检定证书已于 {due} 到期：读数照常入库但不作判读，请送检或停用"
OVER_EN = "Its certificate ended on {due}: what it says is stored and not judged. Have it verified, or retire it"
FAILED = "held-certificate"
FAILED_ZH = "检定不合格（证书 {number}），已停用隔离"
FAILED_EN = "It failed its verification (certificate {number}) and is out of use"


class Matter(SQLModel, table=True):
    __tablename__ = "operations_matter"
    key: str = Field(primary_key=True, max_length=160)  # as in the queue: device/<id>/<trouble>
    device: str = Field(max_length=64, index=True)
    area: str = Field(max_length=12)
    level: str = Field(max_length=8)  # held | look | over | due
    zh: str = Field(sa_column=Column(Text, nullable=False))
    en: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))

    @property
    def words(self) -> str:
        return pick(self.zh, self.en)


def on_held(tx: Tx, event: DeviceHeld) -> None:
    level = "held" if event.out_of_use else "look"
    _ask(tx, event.device, f"held-{event.rule}", event.area, level, event.zh, event.en)


def on_released(tx: Tx, event: DeviceReleased) -> None:
    _over(tx, event.device, event.area, f"held-{event.rule}")


def on_due(tx: Tx, event: CertificateDue) -> None:
    said = {"days": event.days, "due": event.due.isoformat()}
    level, zh, en = ("due", DUE_ZH, DUE_EN) if event.days else ("over", OVER_ZH, OVER_EN)
    _ask(tx, event.device, "calibration_due", event.area, level, zh.format(**said), en.format(**said))


def on_entered(tx: Tx, event: CertificateEntered) -> None:
    if event.result != "pass":
        said = {"number": event.number}
        _ask(tx, event.device, FAILED, event.area, "held", FAILED_ZH.format(**said), FAILED_EN.format(**said))
        return
    for trouble in ("calibration_due", FAILED):
        _over(tx, event.device, event.area, trouble)


def on_moved(tx: Tx, event: DeviceMoved) -> None:
    """Nobody need look after what is out of use for good."""
    if event.after == "retired":
        _over(tx, event.device, event.area)


def _ask(tx: Tx, device: str, trouble: str, area: str, level: str, zh: str, en: str) -> None:
    row = {
        "key": f"device/{device}/{trouble}", "device": device, "area": area, "level": level, "zh": zh, "en": en,
        "at": tx.now(),
    }  # fmt: skip
    known = {name: row[name] for name in ("area", "level", "zh", "en")}  # since when it is so stays as it was
    tx.session.execute(insert_for(tx)(Matter).values(row).on_conflict_do_update(index_elements=["key"], set_=known))
    _touch(tx, area)


def _over(tx: Tx, device: str, area: str, trouble: str = "") -> None:
    gone = delete(Matter).where(col(Matter.device) == device)
    if trouble:
        gone = gone.where(col(Matter.key) == f"device/{device}/{trouble}")
    if tx.change(gone):
        _touch(tx, area)


def _touch(tx: Tx, area: str) -> None:
    scope.touch(tx, (TOPIC,), area)


def of(read: Read, held: Scope) -> list[Matter]:
    """Those of a scope, the oldest first."""
    rule = select(Matter).where(held.holds(Matter.area)).order_by(col(Matter.at), col(Matter.key))
    return list(read.session.execute(rule).scalars())


LISTENERS = (
    (DeviceHeld, on_held),
    (DeviceReleased, on_released),
    (CertificateDue, on_due),
    (CertificateEntered, on_entered),
    (DeviceMoved, on_moved),
)
