"""What a device should be like and what it says it is (twin), and what it was told to do (commands).

Both are rows first: `hub/civic/fleet/jobs.py` carries them to the gateways, which may be away for days. A command has
an expiry and ends in one of done, failed, expired; a device that answers twice has answered once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Index, Text, bindparam, select, update
from sqlmodel import Field, SQLModel, col

from devices import topics
from hub import lifecycle
from hub.arrival import Note
from hub.db import Read, Tx
from hub.errors import Conflict, Refused
from hub.events import CommandEnded, CommandOrdered, TwinChanged
from hub.i18n import _
from hub.registry import Device
from hub.seal import SealedText
from hub.types import UtcTime

COMMANDS = ("sync-clock", "read-records", "identify", "print")  # what a gateway of ours understands
EXPIRES_S = 15 * 60  # nobody wants a clock set, or a slip printed, that was asked for this morning
EXPIRES_S_MAX = 7 * 86_400
AGAIN_S = 30  # without an answer for so long it is said again: a gateway without a session has missed it
KEYS_MAX, BODY_CHARS_MAX, ANSWER_CHARS_MAX = 32, 4_096, 400
_SAID_ELSEWHERE = frozenset({"s", "at", "version"})  # of a reported twin: presence.py's, and what names its version


class Twin(SQLModel, table=True):
    __tablename__ = "twin"
    device: str = Field(primary_key=True, max_length=64)
    desired: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    version: int = Field(default=0)  # of what is desired; 0: nothing ever was
    sent: int = Field(default=0)  # the version that stands retained at the door
    reported: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    applied: int = Field(default=0)  # the version the device says it follows
    reported_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class Command(SQLModel, table=True):
    __tablename__ = "command"
    __table_args__ = (Index("ix_command_state_expires", "state", "expires"),)
    id: str = Field(primary_key=True, max_length=36)
    device: str = Field(max_length=64, index=True)
    gateway: str = Field(max_length=64)
    area: str = Field(max_length=12)
    name: str = Field(max_length=32)
    args: str = Field(default="{}", sa_column=Column(SealedText("command.args"), nullable=False))  # a slip holds values
    made: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    made_by: str = Field(max_length=128)
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    state: str = Field(default="waiting", max_length=16)  # waiting | sent | done | failed | expired
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    answer: str = Field(default="", max_length=ANSWER_CHARS_MAX)


OPEN = ("waiting", "sent")


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the delta: what is wanted and what the device has; None: nothing."""

    key: str
    wanted: str | None
    has: str | None


def delta(desired: Mapping[str, object], reported: Mapping[str, object]) -> tuple[Difference, ...]:
    """Where the device is not as it should be. What nobody asked for is the device's own business."""
    return tuple(
        Difference(key, _shown(wanted), _shown(reported[key]) if key in reported else None)
        for key, wanted in sorted(desired.items())
        if key not in reported or reported[key] != wanted
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def of(read: Read, device: str) -> Twin:
    return read.session.get(Twin, device) or Twin(device=device)


def desired(twin: Twin) -> dict[str, object]:
    return _object(twin.desired)


def reported(twin: Twin) -> dict[str, object]:
    return _object(twin.reported)


def want(tx: Tx, device: str, changes: Mapping[str, object]) -> int:
    """Change what is desired; None takes a key away. Gives the new version."""
    lifecycle.device(tx, device)
    twin = of(tx, device)
    body = {key: value for key, value in {**desired(twin), **changes}.items() if value is not None}
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    if len(body) > KEYS_MAX or len(text) > BODY_CHARS_MAX:
        raise Refused(_("At most {n} settings can be wished for").format(n=KEYS_MAX))
    twin.desired, twin.version = text, twin.version + 1
    tx.session.add(twin)
    tx.emit(TwinChanged, device=device, version=twin.version)
    return twin.version


def order(
    tx: Tx, device: str, name: str, args: Mapping[str, object] | None = None, *, expires_s: int = EXPIRES_S
) -> Command:
    """Tell a device to do something, until it expires."""
    found = lifecycle.device(tx, device)
    if name not in COMMANDS:
        raise Refused(_("A command is one of: {names}").format(names=", ".join(COMMANDS)))
    if found.state == "retired":
        raise Conflict(_("The device is retired; nothing can be asked of it"))
    if not 0 < expires_s <= EXPIRES_S_MAX:
        raise Refused(_("A command waits a week at most"))
    made = Command(
        id=tx.new_id(),
        device=device,
        gateway=found.gateway,
        area=lifecycle.area_of(tx, found),
        name=name,
        args=json.dumps(dict(args or {}), ensure_ascii=False),
        made=tx.now(),
        made_by=tx.actor.id,
        expires=tx.now() + timedelta(seconds=expires_s),
    )
    tx.session.add(made)
    tx.session.flush()
    tx.emit(CommandOrdered, command=made.id, device=device, name=name)
    return made


def heard(tx: Tx, note: Note) -> None:
    """A device's answer to a command, or what it says it is like."""
    if isinstance(note.topic, topics.Done):
        _answered(tx, note.topic, _object(note.payload))
    elif isinstance(note.topic, topics.TwinReported):
        _reported(tx, note.topic, _object(note.payload), note.received)


def _answered(tx: Tx, topic: topics.Done, body: Mapping[str, object]) -> None:
    ok = body.get("ok") is True
    said = body.get("result") if ok else body.get("error")
    answer = "" if said in (None, {}) else _plain(_shown(said))[:ANSWER_CHARS_MAX]
    mine = (
        col(Command.id) == topic.id,
        col(Command.device) == topic.device,
        col(Command.gateway) == topic.gateway,
        col(Command.state).in_(OPEN),
    )
    # What was asked is forgotten with its end: a slip holds a neighbour's values.
    ended = {"state": "done" if ok else "failed", "ended_at": tx.now(), "answer": answer, "args": "{}"}
    if tx.change(update(Command).where(*mine).values(**ended)):
        tx.emit(CommandEnded, command=topic.id, device=topic.device, state=ended["state"])


def _reported(tx: Tx, topic: topics.TwinReported, body: Mapping[str, object], at: datetime) -> None:
    known = tx.session.get(Device, topic.device)
    said = {key: value for key, value in body.items() if key not in _SAID_ELSEWHERE}
    version = body.get("version")
    if known is None or known.gateway != topic.gateway or (not said and version is None):
        return
    text = _plain(json.dumps(said, ensure_ascii=False, sort_keys=True))
    if len(said) > KEYS_MAX or len(text) > BODY_CHARS_MAX:
        return
    twin = tx.session.get(Twin, topic.device) or Twin(device=topic.device)
    twin.reported, twin.reported_at = text, at
    if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= twin.version:
        twin.applied = version
    tx.session.add(twin)
    tx.session.flush()


def due(read: Read) -> list[Command]:
    """What must be said to a gateway now: for the first time, or again because nobody answered."""
    now = read.now()
    return list(read.session.execute(_DUE, {"now": now, "again": now - timedelta(seconds=AGAIN_S)}).scalars())


_DUE = (
    select(Command)
    .where(
        col(Command.expires) > bindparam("now"),
        (col(Command.state) == "waiting")
        | ((col(Command.state) == "sent") & (col(Command.sent_at) <= bindparam("again"))),
    )
    .order_by(col(Command.made))
    .limit(500)
)


def expire(tx: Tx) -> int:
    """Commands whose time is over without an answer."""
    over = (col(Command.state).in_(OPEN), col(Command.expires) <= tx.now())
    gone = list(tx.session.execute(select(col(Command.id), col(Command.device)).where(*over)))
    for ident, device in gone:
        mine = update(Command).where(col(Command.id) == ident, col(Command.state).in_(OPEN))
        if tx.change(mine.values(state="expired", ended_at=tx.now(), args="{}")):
            tx.emit(CommandEnded, command=ident, device=device, state="expired")
    return len(gone)


def _plain(text: str) -> str:
    """Without what PostgreSQL cannot keep."""
    return text.replace("\x00", "").replace("\\u0000", "").encode("utf-8", "replace").decode()


def _object(payload: bytes | str) -> dict[str, object]:
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
