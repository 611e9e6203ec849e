"""Every limit of the embedded broker, with its reason. Bounded memory is a promise (P10): nothing is infinite."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1_024
MIB = 1_024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    payload_bytes_max: int = 128 * KIB  # a reading is 20 bytes; an ECG strip or a full `pack` is the largest thing
    packet_bytes_max: int = 136 * KIB  # the payload with its topic and properties
    connect_bytes_max: int = 16 * KIB  # a login and a will of one line; whoever sends it is still a stranger
    frame_bytes_max: int = 256 * KIB  # of WebSocket, which is held whole: the largest packet and some small ones
    connect_timeout_s: float = 10.0  # a stranger may not hold a socket longer
    keep_alive_s_max: int = 300  # MQTT 5 clients that ask for more are told this; a dead hut shows in 7.5 min
    # Credits (credits.py). Those for messages count only while the hub's queue is more than half full.
    messages_per_s: float = 10.0  # an account, sustained; a hut with ten devices sends one in ten seconds
    messages_burst: float = 100.0  # what an outbox may bring at once before it is asked to go on slowly
    payload_bytes_per_s: float = 160.0 * KIB  # ten messages of 16 KiB, the longest an ordinary reading gets
    payload_bytes_burst: float = 1_600.0 * KIB
    logins_per_s: float = 1.0  # an account that comes back more often is in a loop
    logins_burst: float = 60.0
    listener_logins_per_s: float = 1_000.0  # ten thousand gateways are back in 10 s after a power cut
    listener_logins_burst: float = 2_000.0
    listener_logins_pressed_per_s: float = 100.0  # those who are in come first
    pressure_shed: float = 0.5  # of the hub's queue: above it QoS 0 without credit is shed,
    pressure_cut: float = 0.6  # from here on accounts without credit are not read,
    pressure_slow: float = 0.75  # and new connections slow down
    receive_maximum: int = 500  # unacknowledged messages a client may have on their way to the disk
    topic_alias_max: int = 32
    topic_levels_max: int = 8  # the deepest name of contracts.md 1 has eight
    topic_bytes_max: int = 1_024
    client_id_chars_max: int = 64
    connections_max: int = 20_000  # the design target is 10,000 devices; the rest is for screens and restarts
    connections_per_account: int = 4
    sessions_per_account: int = 8  # sessions outlive connections, and each may hold a queue
    subscriptions_device: int = 8  # a gateway needs five, a screen two
    subscriptions_integrator: int = 50
    queue_messages_max: int = 1_000  # waiting for one slow or absent subscriber; then QoS 0 is dropped, QoS 1 cut
    queue_bytes_max: int = 4 * MIB
    write_buffer_bytes: int = 256 * KIB  # beyond it the subscriber counts as slow and we stop reading from it
    retained_max: int = 100_000  # birth, state and a few twins for each of 10,000 gateways
    retained_bytes_max: int = 64 * MIB
    retained_per_account: int = 200  # one gateway must not fill the store for all
    session_expiry_s_max: int = 7 * 86_400  # a gateway away for a week starts afresh; its own outbox keeps the readings
    will_grace_s: float = 30.0  # after a restart: the reconnect jitter, before which nobody is called dead
    linger_s: float = 1.0  # after a refusal we still read and drop, or the client's TCP would lose our last words
    sweep_s: float = 1.0  # how often deadlines are looked at
    vitals_s: float = 10.0  # how often $SYS is said anew, if anybody listens


DEFAULT = Limits()
