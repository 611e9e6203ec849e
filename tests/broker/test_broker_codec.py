"""The codec: every packet survives the wire in both versions, and no bytes raise anything but MalformedPacket."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.broker import packets as p
from hub.broker import properties as props
from hub.broker import reasons
from hub.broker.codec import MalformedPacket, Parser, encode
from hub.broker.properties import NONE, Properties

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
LEVEL = st.text(st.sampled_from("abz09-."), max_size=4)
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = st.lists(LEVEL | st.just("+"), min_size=1, max_size=4).map("/".join).filter(bool) | st.just("a/#")
BYTES = st.binary(max_size=40)
ID = st.integers(1, 65_535)
CODE = st.integers(0, 255)
KINDS = {
    "flag": st.integers(0, 1),
    "u16": st.integers(1, 65_535),
    "u32": st.integers(1, 2**32 - 1),
    "utf8": TEXT,
    "binary": BYTES,
}


@st.composite
def properties(draw: st.DrawFn, packet: int, version: int) -> Properties:
    if version != 5:
        return NONE
    values: dict[str, object] = {}
    for _, name, kind, where in props._TABLE:
        if packet not in where or not draw(st.booleans()):
            continue
        if name == "user":
            values[name] = tuple(draw(st.lists(st.tuples(TEXT, TEXT), max_size=3)))
        elif name == "subscription_ids":
            most = 1 if packet == props.SUBSCRIBE else 3
            values[name] = tuple(draw(st.lists(st.integers(1, 268_435_455), max_size=most)))
        elif name == "response_topic":
            values[name] = draw(TOPIC)
        else:
            values[name] = draw(KINDS[kind])
    if "auth_data" in values and "auth_method" not in values and packet == props.CONNECT:
        del values["auth_data"]
    return Properties(**values)  # type: ignore[arg-type]


@st.composite
def small_packet(draw: st.DrawFn, version: int, kind: int) -> p.Packet:
    def about(kind: int) -> Properties:
        return draw(properties(kind, version))

    code = draw(st.sampled_from(sorted(reasons.ALLOWED.get(kind, {0})))) if version == 5 else 0
    match kind:
        case props.PUBACK | props.PUBREC | props.PUBREL | props.PUBCOMP:
            make = {4: p.Puback, 5: p.Pubrec, 6: p.Pubrel, 7: p.Pubcomp}[kind]
            return make(draw(ID), code, about(kind))
        case props.SUBSCRIBE:
            flag = st.booleans() if version == 5 else st.just(False)
            handling = st.integers(0, 2) if version == 5 else st.just(0)
            one = st.builds(p.Subscription, FILTER, st.integers(0, 2), flag, flag, handling)
            return p.Subscribe(draw(ID), tuple(draw(st.lists(one, min_size=1, max_size=4))), about(props.SUBSCRIBE))
        case props.SUBACK:
            return p.Suback(draw(ID), tuple(draw(st.lists(CODE, max_size=4))), about(props.SUBACK))
        case props.UNSUBSCRIBE:
            return p.Unsubscribe(
                draw(ID), tuple(draw(st.lists(FILTER, min_size=1, max_size=4))), about(props.UNSUBSCRIBE)
            )
        case props.UNSUBACK:
            codes = tuple(draw(st.lists(CODE, max_size=4))) if version == 5 else ()
            return p.Unsuback(draw(ID), codes, about(props.UNSUBACK))
        case props.PINGREQ:
            return p.Pingreq()
        case props.PINGRESP:
            return p.Pingresp()
        case props.DISCONNECT:
            return p.Disconnect(code, about(props.DISCONNECT))
        case _:
            return p.Auth(code, about(props.AUTH))


@st.composite
def packet(draw: st.DrawFn, version: int) -> p.Packet:
    def about(kind: int) -> Properties:
        return draw(properties(kind, version))

    kind = draw(st.integers(1, 15 if version == 5 else 14))
    if kind not in (props.CONNECT, props.CONNACK, props.PUBLISH):
        return draw(small_packet(version, kind))
    match kind:
        case props.CONNECT:
            has_will, username = draw(st.booleans()), draw(st.none() | TEXT)
            password = draw(st.none() | BYTES) if version == 5 or username is not None else None
            will = p.Will(draw(TOPIC), draw(BYTES), draw(st.integers(0, 2)), draw(st.booleans()), about(props.WILL))
            return p.Connect(
                version,
                draw(TEXT),
                draw(st.booleans()),
                draw(st.integers(0, 65_535)),
                username,
                password,
                will if has_will else None,
                about(props.CONNECT),
            )
        case props.CONNACK:
            return p.Connack(draw(st.booleans()), draw(CODE), about(props.CONNACK))
        case _:
            qos = draw(st.integers(0, 2))
            dup = draw(st.booleans()) if qos else False
            number = draw(ID) if qos else 0
            return p.Publish(draw(TOPIC), draw(BYTES), qos, draw(st.booleans()), dup, number, about(props.PUBLISH))


def both(version: int) -> st.SearchStrategy[tuple[int, list[p.Packet]]]:
    return st.tuples(st.just(version), st.lists(packet(version), min_size=1, max_size=4))


@settings(max_examples=300)
@given(both(4) | both(5), st.integers(1, 9))
def test_every_packet_survives_the_wire_however_it_is_cut(said: tuple[int, list[p.Packet]], size: int) -> None:
    version, packets = said
    data = b"".join(encode(one, version) for one in packets)
    whole = Parser(1_000_000, version=version).feed(data)
    assert whole == packets
    parser = Parser(1_000_000, version=version)
    pieces = [one for start in range(0, len(data), size) for one in parser.feed(data[start : start + size])]
    assert pieces == packets
    assert parser.buffered_bytes == 0


def _feed(parser: Parser, data: bytes) -> list[p.Packet]:
    try:
        return parser.feed(data)
    except MalformedPacket as refused:
        error = refused
    assert 0x80 <= error.reason_code <= 0xA2
    assert error.sentence.endswith(".")
    return []


@settings(max_examples=400)
@given(st.sampled_from((0, 4, 5)), st.lists(st.binary(max_size=60), max_size=4))
def test_random_bytes_raise_nothing_but_malformed_packet(version: int, pieces: list[bytes]) -> None:
    parser = Parser(1_024, 512, version)
    for piece in pieces:
        _feed(parser, piece)
        assert parser.buffered_bytes <= 1_024 + 5


@settings(max_examples=400)
@given(both(4) | both(5), st.randoms(use_true_random=False))
def test_mutated_packets_raise_nothing_but_malformed_packet(
    said: tuple[int, list[p.Packet]], dice: random.Random
) -> None:
    version, packets = said
    data = bytearray(b"".join(encode(one, version) for one in packets))
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(data))
        match dice.randrange(3):
            case 0:
                data[place] = dice.randrange(256)
            case 1:
                del data[place:]
            case _:
                data[place:place] = dice.randbytes(dice.randint(1, 3))
        if not data:
            return
    for one in _feed(Parser(10_000, version=version), bytes(data)):
        encode(one, version)


def test_an_unfinished_packet_costs_no_more_than_its_limit() -> None:
    parser = Parser(1_000, version=4)
    with pytest.raises(MalformedPacket) as caught:
        parser.feed(b"\x30\xff\xff\xff\x7f")  # says that 268 MB follow
    assert caught.value.reason_code == 0x95
    assert parser.buffered_bytes == 0


def test_packets_before_the_bad_bytes_are_not_lost() -> None:
    parser = Parser(1_000, version=5)
    assert parser.feed(encode(p.Pingreq(), 5) + b"\x36\x00") == [p.Pingreq()]
    assert parser.error is not None
    with pytest.raises(MalformedPacket):
        parser.feed(encode(p.Pingreq(), 5))


def test_packets_cannot_be_changed() -> None:
    packet = p.Publish("a", b"1")
    with pytest.raises(AttributeError):
        packet.topic = "b"  # type: ignore[misc]
    assert msgspec.structs.replace(packet, topic="b").topic == "b"
