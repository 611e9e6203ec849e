"""Reason codes of MQTT 5 (2.4, table 2-6) by the names we use, and what a 3.1.1 client is told instead."""

from __future__ import annotations

SUCCESS = 0x00
GRANTED_QOS_1 = 0x01
DISCONNECT_WITH_WILL = 0x04
NO_MATCHING_SUBSCRIBERS = 0x10
NO_SUBSCRIPTION_EXISTED = 0x11
UNSPECIFIED = 0x80
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
IMPLEMENTATION_ERROR = 0x83
UNSUPPORTED_VERSION = 0x84
CLIENT_ID_INVALID = 0x85
BAD_LOGIN = 0x86
NOT_AUTHORIZED = 0x87
SERVER_BUSY = 0x89
SHUTTING_DOWN = 0x8B
BAD_AUTH_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
TAKEN_OVER = 0x8E
FILTER_INVALID = 0x8F
TOPIC_INVALID = 0x90
ID_NOT_FOUND = 0x92
RECEIVE_MAXIMUM_EXCEEDED = 0x93
TOPIC_ALIAS_INVALID = 0x94
TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
PAYLOAD_FORMAT_INVALID = 0x99

# What each packet may carry (3.4.2.1, 3.6.2.1, 3.14.2.1, 3.15.2.1), whoever sends it; anything else is malformed.
_OF_PUBLISH = frozenset((0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99))
_OF_RELEASE = frozenset((0x00, 0x92))
_OF_DISCONNECT = frozenset((0x00, 0x04, *range(0x80, 0x84), 0x87, 0x89, 0x8B, *range(0x8D, 0x91), *range(0x93, 0xA3)))
ALLOWED = {4: _OF_PUBLISH, 5: _OF_PUBLISH, 6: _OF_RELEASE, 7: _OF_RELEASE, 14: _OF_DISCONNECT}
ALLOWED[15] = frozenset((0x00, 0x18, 0x19))

# 3.1.1, table 3.1: 1 protocol version, 2 identifier rejected, 3 server unavailable, 4 bad login, 5 not authorized.
_CONNACK_3 = {
    SUCCESS: 0,
    UNSUPPORTED_VERSION: 1,
    CLIENT_ID_INVALID: 2,
    BAD_LOGIN: 4,
    NOT_AUTHORIZED: 5,
    BAD_AUTH_METHOD: 5,
    TOPIC_INVALID: 5,
}


def connack_code(reason: int, version: int) -> int:
    return reason if version == 5 else _CONNACK_3.get(reason, 3)


def suback_code(reason: int, version: int) -> int:
    """3.1.1 knows one failure only (3.9.3: 0x80)."""
    return reason if version == 5 or reason < UNSPECIFIED else UNSPECIFIED
