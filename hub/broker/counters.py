"""What the broker has counted since it started; /metrics reads it as it stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    connections_opened: int = 0
    connections_refused: int = 0  # over a limit, or no CONNECT at all
    logins_refused: int = 0
    connect_timeouts: int = 0
    keep_alive_expired: int = 0
    taken_over: int = 0
    cut: int = 0
    publishes_in: int = 0
    repeats_ignored: int = 0  # a DUP of something that is already on its way to the disk
    acknowledged: int = 0
    publishes_out: int = 0
    paused_messages: int = 0  # a line was not read, for its account had sent too many messages
    paused_bytes: int = 0  # the same for too many bytes
    paused_logins: int = 0  # a login had to wait for its turn
    shed_rate: int = 0  # QoS 0 beyond an account's credit while the queue was more than half full
    shed_full: int = 0  # QoS 0 while the queue was full
    refused_acl: int = 0
    refused_too_large: int = 0
    refused_bad_topic: int = 0
    malformed: int = 0
    subscribes_refused: int = 0
    retained_refused: int = 0
    dropped: int = 0  # QoS 0 to a slow subscriber, or anything to an absent one whose queue is full
    dropped_too_large: int = 0  # beyond the Maximum Packet Size of its receiver
    sessions_expired: int = 0
    expired: int = 0  # their interval passed before they could be sent
    slow_cut: int = 0
    wills: int = 0
    faults: int = 0  # an exception of our own; the log says where
