"""Last wills: those of living connections are on disk, those of dead ones wait here until they are due.

A will that has not been published when the hub is killed is published after the restart: its connection ended with us,
and the retained state of a gateway that never comes back must not say `online` for ever. But gateways that are well
need a moment to come back, so nobody is called dead before that (3.1.2.5 lets a server wait after a failure).
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.broker import records
from hub.broker.journal import Journal
from hub.broker.message import Message
from hub.broker.records import Table, WillRecord
from hub.clock import Clock
from hub.uplink import Account

Name = tuple[str, str]  # (username, client id)


@dataclass(frozen=True, slots=True)
class LastWill:
    name: Name
    account: Account
    message: Message
    connection: str
    delay_s: float = 0.0
    restored: bool = False  # of a former run, which ended it


class Wills:
    def __init__(self, clock: Clock, journal: Journal | None) -> None:
        self._clock, self._journal = clock, journal
        self._late: dict[Name, tuple[float, LastWill]] = {}

    def made(self, will: LastWill) -> None:
        self._write(will, None)

    def undone(self, will: LastWill) -> None:
        """It has been published, or its client said goodbye."""
        if self._journal is not None:
            self._journal.drop(Table.WILL, will.connection)

    def delay(self, will: LastWill, delay_s: float) -> None:
        self._late[will.name] = (self._clock.monotonic() + delay_s, will)
        self._write(will, self._clock.now().timestamp() + delay_s)

    def back(self, name: Name, clean: bool) -> LastWill | None:
        """The client is here again before its will was due, which takes the will back [MQTT-3.1.3-9]; but a clean
        start ends the session, and with it the delay (3.1.3.2.2): then the will is to be published now."""
        _, will = self._late.pop(name, (0.0, None))
        if will is None:
            return None
        if clean and not will.restored:
            return will
        self.undone(will)
        return None

    def due(self, now: float) -> list[LastWill]:
        names = [name for name, (due_s, _) in self._late.items() if due_s <= now]
        return [self._late.pop(name)[1] for name in names]

    def refill(self, connection: str, record: WillRecord, ended_s: float, grace_s: float) -> None:
        """A will of a former run; `ended_s` is when that run was last seen alive."""
        wall_s, message = self._clock.now().timestamp(), records.to_message(record.message, self._clock)
        name = (record.username, record.client_id)
        will = LastWill(name, Account(record.username, record.kind), message, connection, record.delay_s, True)
        due_s = record.due_s if record.due_s is not None else ended_s + record.delay_s
        # A wall clock that was set back must not hold a will for years.
        wait_s = min(max(due_s - wall_s, grace_s), max(record.delay_s, grace_s))
        if (older := self._late.get(name)) is not None:
            self.undone(older[1])
        self._late[name] = (self._clock.monotonic() + wait_s, will)

    def _write(self, will: LastWill, due_s: float | None) -> None:
        if self._journal is None:
            return
        message = records.of_message(will.message, self._clock)
        record = WillRecord(*will.name, will.account.kind, message, will.delay_s, due_s)
        self._journal.keep(Table.WILL, will.connection, record)
