"""CONNECT: what can be judged before the password is looked at, and what an accepted client is told. No I/O."""

from __future__ import annotations

from hub.broker import reasons
from hub.broker.acl import Acl
from hub.broker.limits import Limits
from hub.broker.packets import Connect
from hub.broker.properties import Properties


def refusal(connect: Connect, limits: Limits) -> int | None:
    """The reason code that refuses this CONNECT whoever sent it, or None."""
    if connect.properties.auth_method is not None:  # 4.12: we offer no enhanced authentication
        return reasons.BAD_AUTH_METHOD
    if connect.username is None or connect.password is None:
        return reasons.NOT_AUTHORIZED
    if len(connect.client_id) > limits.client_id_chars_max:
        return reasons.CLIENT_ID_INVALID
    if not connect.client_id and not connect.clean_start:  # 3.1.1: [MQTT-3.1.3-8]; ours for 5 as well
        return reasons.CLIENT_ID_INVALID
    return None


def will_refusal(connect: Connect, acl: Acl, limits: Limits) -> int | None:
    """A will is a publish that is made later, so it needs the same right now."""
    will = connect.will
    if will is None:
        return None
    if not topic_fits(will.topic, limits):
        return reasons.TOPIC_INVALID
    return None if acl.allowed(will.topic) and not will.topic.startswith("$") else reasons.NOT_AUTHORIZED


def topic_fits(topic: str, limits: Limits) -> bool:
    return topic.count("/") < limits.topic_levels_max and len(topic) <= limits.topic_bytes_max


def keep_alive_s(connect: Connect, limits: Limits) -> int:
    """3.1.1 has no way to tell a client another figure, so its own one holds there; 0 is lawful in both versions, and
    watched by TCP alone."""
    if connect.version == 5 and connect.keep_alive_s > limits.keep_alive_s_max:
        return limits.keep_alive_s_max
    return connect.keep_alive_s


def session_expiry_s(connect: Connect, limits: Limits) -> int:
    if connect.version == 5:
        return min(connect.properties.session_expiry_s or 0, limits.session_expiry_s_max)
    return 0 if connect.clean_start else limits.session_expiry_s_max


def greeting(connect: Connect, client_id: str, limits: Limits) -> Properties:
    """The CONNACK properties of MQTT 5 (3.2.2.3): what holds here, where it differs from what was asked or assumed."""
    keep_alive = keep_alive_s(connect, limits)
    expiry = session_expiry_s(connect, limits)
    return Properties(
        receive_maximum=limits.receive_maximum,
        maximum_packet_bytes=limits.packet_bytes_max,
        topic_alias_maximum=limits.topic_alias_max,
        assigned_client_id=None if connect.client_id else client_id,
        server_keep_alive_s=keep_alive if keep_alive != connect.keep_alive_s else None,
        session_expiry_s=expiry if expiry != (connect.properties.session_expiry_s or 0) else None,
    )
