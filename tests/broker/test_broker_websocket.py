"""MQTT over WebSocket: the same talk behind binary frames, on a listener of its own, with and without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.codec import encode
from hub.clock import ManualClock
from tests.broker.rig import AREA, SECRET, START, House, house, up
from tests.broker.sockets import dial
from tests.broker.test_broker_tls import certificate

pytestmark = pytest.mark.anyio
VERSIONS = pytest.mark.parametrize("version", [4, 5])
STATE = f"linli/1/{AREA}/hut-1/state"
HELLO = p.Connect(5, "c1", username="hut-1", password=SECRET.encode())


@contextlib.asynccontextmanager
async def webbed(limits: Limits | None = None, clock: ManualClock | None = None) -> AsyncIterator[tuple[House, int]]:
    async with house(clock, limits) as home:
        _, port = await home.broker.listen("127.0.0.1", 0, websocket=True)
        yield home, port


@VERSIONS
async def test_a_client_behind_frames_publishes_and_hears_like_any_other(version: int) -> None:
    """[MQTT-6.0.0-4] [3.1.1: MQTT-6.0.0-4] We answer with `mqtt`, and speak the version of the CONNECT."""
    async with webbed() as (home, port), dial(port, version) as (client, pipe):
        assert pipe.answer is not None
        assert pipe.answer.status_code == 101
        assert pipe.answer.headers["Sec-WebSocket-Protocol"] == "mqtt"
        assert (await client.login()).reason == 0
        assert await client.publish(up(), b"one") == p.Puback(1)
        assert await client.subscribe("linli/1/hub/state") == (1,)
        assert (await client.message()).topic == "linli/1/hub/state"
        assert home.shelf.payloads == [b"one"]
        assert set(pipe.kinds) == {Opcode.BINARY}


@settings(max_examples=15)
@given(st.lists(st.integers(1, 60), max_size=12), st.booleans())
def test_packets_may_span_frames_and_frames_may_hold_several(cuts: list[int], fragmented: bool) -> None:
    """[MQTT-6.0.0-2] [3.1.1: MQTT-6.0.0-2] Frames and packets need not begin together."""
    said = [p.Publish(up(), b"%d" % number, 1, packet_id=number) for number in (1, 2, 3)]
    data = b"".join(encode(packet, 5) for packet in (HELLO, *said))

    async def scenario() -> None:
        async with webbed() as (home, port), dial(port) as (client, pipe):
            rest, places = data, list(cuts)
            while rest:
                length = places.pop(0) if places else len(rest)
                piece, rest = rest[:length], rest[length:]
                if fragmented and len(piece) > 1:
                    pipe.send(Frame(Opcode.BINARY, piece[:1], fin=False))
                    pipe.send(Frame(Opcode.PING, b"between"))
                    pipe.send(Frame(Opcode.CONT, piece[1:]))
                else:
                    pipe.write(piece)
            assert [await client.next() for _ in range(4)][1:] == [p.Puback(1), p.Puback(2), p.Puback(3)]
            assert home.shelf.payloads == [b"1", b"2", b"3"]

    asyncio.run(scenario())


@VERSIONS
async def test_a_text_frame_ends_the_line_with_its_will(version: int) -> None:
    """[MQTT-6.0.0-1] [3.1.1: MQTT-6.0.0-1] Packets travel in binary frames only."""
    async with webbed() as (home, port):
        async with dial(port, version) as (client, pipe):
            await client.login(will=p.Will(STATE, b"offline", 1))
            pipe.send(Frame(Opcode.TEXT, encode(p.Publish(up(), b"x", 1, packet_id=1), version)))
            if version == 5:
                assert await client.next() == p.Disconnect(0x81)
            assert await client.next() is None
            assert pipe.closed is not None
            assert pipe.closed.code == 1003
        assert (await home.shelf.holds(1))[0].payload == b"offline"


@pytest.mark.parametrize("offers", [(), ("chat",), ("mqttv3.1",)])
async def test_who_does_not_offer_mqtt_is_refused_at_the_handshake(offers: tuple[str, ...]) -> None:
    """[MQTT-6.0.0-3] [3.1.1: MQTT-6.0.0-3] A client offers `mqtt`, among others if it likes."""
    async with webbed() as (home, port):
        async with dial(port, offers=offers) as (client, pipe):
            assert pipe.answer is not None
            assert pipe.answer.status_code == 400
        async with dial(port, offers=("chat", "mqtt")) as (client, pipe):
            assert pipe.frames.subprotocol == "mqtt"
            assert (await client.login()).reason == 0
        assert home.broker.counters.malformed == 0


@pytest.mark.parametrize("garbage", [b"\x10\x10\x00\x04MQTT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"G" * 40_000])
async def test_what_is_no_handshake_is_closed(garbage: bytes) -> None:
    async with webbed() as (_home, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        if garbage.startswith(b"\x10"):
            writer.write(b"\r\n\r\n")
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert b"101 " not in await reader.read()
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        async with dial(port) as (client, _):
            assert (await client.login()).reason == 0


@pytest.mark.parametrize(("known", "size"), [(False, 20_000), (True, 300_000)])
async def test_a_frame_beyond_the_limit_is_refused_by_its_header(known: bool, size: int) -> None:
    async with webbed() as (_home, port), dial(port) as (client, pipe):
        if known:
            await client.login()
        whole = pipe.frames
        whole.send_binary(bytes(size))
        head = whole.data_to_send()[0][:14]
        pipe.writer.write(head)  # the rest never comes, and must not be waited for
        assert await client.next() is None
        assert pipe.closed is not None
        assert pipe.closed.code == 1009


async def test_the_largest_packet_fits_into_a_frame() -> None:
    async with webbed() as (_home, port), dial(port) as (client, _):
        await client.login()
        assert await client.publish(up(), bytes(131_072)) == p.Puback(1)


async def test_a_socket_that_never_shakes_hands_is_shown_out() -> None:
    clock = ManualClock(START)
    async with webbed(clock=clock) as (home, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with dial(port) as (client, _):
            await client.login()
            clock.advance(11)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            assert home.broker.counters.connect_timeouts == 1
            writer.close()


async def test_a_hub_that_blocks_stops_reading_behind_frames_too() -> None:
    async with webbed() as (home, port):
        home.shelf.open.clear()
        async with dial(port) as (client, pipe):
            await client.login()
            for number in range(1, 401):
                pipe.write(encode(p.Publish(up(), bytes(131_000), 1, packet_id=number), 5))
            draining = asyncio.create_task(pipe.drain())
            done, _ = await asyncio.wait({draining}, timeout=0.5)
            assert not done
            home.shelf.open.set()
            await draining
            assert [await client.next() for _ in range(400)] == [p.Puback(n) for n in range(1, 401)]


async def test_a_slow_reader_behind_frames_is_not_read_and_then_cut() -> None:
    limits = Limits(queue_messages_max=10, write_buffer_bytes=10_000)
    async with webbed(limits) as (home, port), dial(port) as (client, _):
        await client.login("watch")
        await client.subscribe("home/#")
        told = 0
        while not home.broker.counters.slow_cut:
            await home.broker.publish("home/x", bytes(60_000))
            await asyncio.sleep(0)
            told += 1
            assert told < 2_000


async def test_a_goodbye_is_said_in_both_languages() -> None:
    async with webbed() as (home, port):
        will = p.Will(STATE, b"offline", 1)
        async with dial(port) as (client, pipe):
            await client.login(will=will)
            await client.send(p.Disconnect())
            assert await client.next() is None
            assert pipe.closed is not None
            assert pipe.closed.code == 1000
        async with dial(port) as (gone, behind):
            await gone.login(will=will)
            behind.frames.send_close(1001)  # a page that is left says no DISCONNECT
            behind.flush()
            assert await gone.next() is None
        assert (await home.shelf.holds(1))[0].payload == b"offline"


async def test_a_stop_says_so_behind_frames() -> None:
    async with webbed() as (home, port), dial(port) as (client, pipe):
        await client.login()
        await home.broker.stop()
        assert await client.next() == p.Disconnect(0x8B)
        assert await client.next() is None
        assert pipe.closed is not None


async def test_frames_travel_over_tls(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    async with house() as home:
        _, port = await home.broker.listen("127.0.0.1", 0, tls=context, websocket=True)
        async with dial(port, tls=ssl.create_default_context(cafile=str(pair))) as (client, pipe):
            await client.login()
            assert await client.publish(up(), bytes(100_000)) == p.Puback(1)
            pipe.send(Frame(Opcode.TEXT, b"no"))
            assert await client.next() == p.Disconnect(0x81)
            assert await client.next() is None


async def test_no_log_line_holds_what_crossed_the_frames(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with webbed() as (_home, port), dial(port) as (client, _):
            await client.login()
            await client.publish(up(), b"120/80")
    assert not [record for record in caplog.records if record.name.startswith("hub.broker.websocket")]
