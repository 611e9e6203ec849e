"""Strange bytes from one seed, against the codec and against a live broker: refuse or close, and nothing else.

    python -m tests.broker.fuzz --minutes 10 [--seed N]

prints one JSON line at the end. A fault is printed with its seed and what was sent; the short form runs in the suite.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hub.broker import Limits
from hub.broker import packets as p
from hub.broker.codec import MalformedPacket, Parser, encode
from hub.broker.properties import Properties
from tests.broker.clausekit import FREE
from tests.broker.lasting import Lasting
from tests.broker.rig import SECRET, Client, House, house
from tests.broker.sockets import Pipe, call, dial

TOPICS = ("a", "a/b", "home/x", "$x/1", "\ufeff", "t" * 1_100)
FILTERS = ("a", "#", "a/+", "+/b", "$share/g/a", "$share/g/#", "home/x", "$x/#")
# Small ones, so that the edges are near.
LIMITS = Limits(
    receive_maximum=5,
    queue_messages_max=10,
    packet_bytes_max=4_096,
    payload_bytes_max=2_048,
    logins_burst=1e9,
    connections_per_account=50,
)
ROUNDS_A_BOOT = 100  # then the broker is opened again on what they left
ANSWER_S = 5.0  # a broker that still has not closed by then is left


def packet(dice: random.Random, version: int) -> p.Packet:
    """Any packet that can be written down; the identifiers are few, so that they meet."""
    number, qos = dice.randint(1, 6), dice.randrange(3)
    about = properties(dice) if version == 5 else Properties()
    filters = tuple(dice.choice(FILTERS) for _ in range(dice.randint(1, 3)))
    code = dice.choice((0, 0, 0, 0x10, 0x80, 0x87, 0x92, 0x97))
    will = p.Will("a", b"will", qos, dice.random() < 0.5) if dice.random() < 0.3 else None
    makers = (
        lambda: p.Publish(dice.choice(TOPICS), dice.randbytes(dice.choice((0, 5, 3_000))), qos, dice.random() < 0.3,
                          qos > 0 and dice.random() < 0.3, number if qos else 0, about),
        lambda: p.Publish(dice.choice(TOPICS), b"x", qos, packet_id=number if qos else 0),
        lambda: p.Puback(number, code), lambda: p.Pubrec(number, code), lambda: p.Pubrel(number, code),
        lambda: p.Pubcomp(number, code),
        lambda: p.Subscribe(number, tuple(p.Subscription(one, qos, *_options(dice, version)) for one in filters),
                            about),
        lambda: p.Unsubscribe(number, filters),
        lambda: p.Pingreq(), lambda: p.Pingresp(), lambda: p.Suback(number, (qos,)), lambda: p.Connack(),
        lambda: p.Disconnect(dice.choice((0, 4, 0x81)), about), lambda: p.Auth(0),
        lambda: p.Connect(version, dice.choice(("c1", "c2", "")), dice.random() < 0.5, dice.choice((0, 60)), "free",
                          SECRET.encode(), will, about),
    )  # fmt: skip
    weights = (6, 6, 3, 3, 3, 3, 4, 2, 2, 1, 1, 1, 1, 1, 1)
    return dice.choices(makers, weights)[0]()


def _options(dice: random.Random, version: int) -> tuple[bool, bool, int]:
    return (dice.random() < 0.2, dice.random() < 0.3, dice.randrange(3)) if version == 5 else (False, False, 0)


def properties(dice: random.Random) -> Properties:
    """Mostly none, sometimes several, often in a packet where they do not belong."""
    some = {
        "payload_format": 1, "message_expiry_s": dice.choice((0, 1, 2**32 - 1)), "content_type": "x",
        "response_topic": "r", "correlation": b"c", "session_expiry_s": dice.choice((0, 60, 2**32 - 1)),
        "topic_alias": dice.choice((1, 2, 40)), "receive_maximum": dice.choice((1, 3)), "request_problem": 0,
        "maximum_packet_bytes": dice.choice((5, 60, 3_000)), "topic_alias_maximum": 2, "user": (("k", "v"),) * 3,
        "subscription_ids": (dice.randint(1, 9),), "will_delay_s": 1, "auth_method": "m",
    }  # fmt: skip
    names = dice.sample(sorted(some), dice.choice((0, 0, 0, 1, 1, 2, 4)))
    return Properties(**{name: some[name] for name in names})  # type: ignore[arg-type]


def mutated(dice: random.Random, data: bytes) -> bytes:
    torn = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(torn)) if torn else 0
        match dice.randrange(5):
            case 0 if torn:
                torn[place] = dice.randrange(256)
            case 1 if torn:
                torn[place] ^= 1 << dice.randrange(8)
            case 2:
                torn[place:place] = dice.randbytes(dice.randint(1, 4))
            case 3:
                del torn[place : place + dice.randint(1, 4)]
            case _:
                torn[place:place] = torn[max(0, place - 8) : place]
    return bytes(torn)


def stream(dice: random.Random, version: int) -> bytes:
    said = [encode(packet(dice, version), version) for _ in range(dice.randint(1, 12))]
    strange = dice.random()
    if strange < 0.5:
        place = dice.randrange(len(said))
        said[place] = mutated(dice, said[place])
    elif strange < 0.6:
        said.append(dice.randbytes(dice.randint(1, 200)))
    return b"".join(said)


def codec_round(dice: random.Random) -> Counter[str]:
    """One stream through the parser, cut anywhere. It returns packets or refuses, and holds one unfinished packet."""
    version, most = dice.choice((4, 5)), 512
    first = dice.random() < 0.3
    hello = encode(p.Connect(version, "c", properties=Properties()), version) if first else b""
    parser = Parser(most, 256, 0 if first else version)
    data, found = hello + stream(dice, version), Counter[str]()
    while data:
        size = dice.choice((1, 7, 60, len(data)))
        piece, data = data[:size], data[size:]
        error, taken = None, []
        try:
            taken = parser.feed(piece)
        except MalformedPacket as refused:
            error = refused
        if error is not None:
            assert 0x80 <= error.reason_code <= 0xA2, error.reason_code
            assert error.sentence.endswith(".")
            found["refused"] += 1
            break
        found["packets"] += len(taken)
        for one in taken:
            encode(one, parser.version)  # what was read can be written
        assert parser.buffered_bytes <= most + len(piece)
    return found


@dataclass
class Field:
    """A live broker, and what came of the rounds so far."""

    home: House
    web_port: int
    found: Counter[str] = field(default_factory=Counter)

    async def round(self, dice: random.Random) -> None:
        """One client says strange things. No exception of ours comes of it, and all we answer is sound."""
        version, data = dice.choice((4, 5)), b""
        if known := dice.random() < 0.9:
            login = p.Connect(
                version, dice.choice(("c1", "c2", "c3")), dice.random() < 0.6, 60, "free", SECRET.encode()
            )
            data = encode(login, version)
        data += stream(dice, version)
        by_web = dice.random() < 0.3
        async with dial(self.web_port, version) if by_web else bare(self.home.port, version) as (client, pipe):
            hearing = asyncio.create_task(self._hear(client, known))
            try:
                await self._say(dice, client, pipe, data)
            except ConnectionError:
                self.found["cut off"] += 1
            await asyncio.wait({hearing}, timeout=ANSWER_S)
            hearing.cancel()
            (error,) = await asyncio.gather(hearing, return_exceptions=True)
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                raise error
        self.found["rounds"] += 1
        assert self.home.broker.counters.faults == 0, "an exception of ours"

    async def _say(self, dice: random.Random, client: Client, pipe: Pipe | None, data: bytes) -> None:
        while data:
            size = dice.choice((1, 20, 300, len(data)))
            piece, data = data[:size], data[size:]
            if pipe is not None and dice.random() < 0.05:
                pipe.writer.write(mutated(dice, piece))  # no frame at all
            await client.raw(piece)
        if pipe is not None:
            pipe.frames.send_close(1000)
            pipe.flush()
        elif client.writer.can_write_eof():
            client.writer.write_eof()

    async def _hear(self, client: Client, known: bool) -> None:
        """The rig's own parser is as strict as the broker's; a client that never logged in is told its own version."""
        try:
            while (packet := await client.next()) is not None:
                self.found[type(packet).__name__] += 1
        except MalformedPacket:
            if known:
                raise

    async def alive(self) -> None:
        """A newcomer is served, and no line holds more than it may."""
        async with call(self.home.port) as client:
            assert (await client.login("hut-2", client_id="probe")).reason == 0
            await client.send(p.Pingreq())
            assert await client.next() == p.Pingresp()
        for line in self.home.broker._lines:
            assert line._parser.buffered_bytes <= LIMITS.packet_bytes_max + 65_536
        assert self.home.broker.sessions <= 16


@contextlib.asynccontextmanager
async def bare(port: int, version: int) -> AsyncIterator[tuple[Client, None]]:
    async with call(port, version=version) as client:
        yield client, None


@contextlib.asynccontextmanager
async def broker(lasting: Lasting | None = None) -> AsyncIterator[Field]:
    """In memory, or on a file that earlier rounds have filled."""
    async with lasting.house() if lasting is not None else house(limits=LIMITS) as home:
        home.book.accounts["free"] = FREE
        _, web_port = await home.broker.listen("127.0.0.1", 0, websocket=True)
        yield Field(home, web_port)


async def fuzz(seed: int, minutes: float) -> dict[str, object]:
    codec, live, until_s, number, boots = Counter[str](), Counter[str](), time.monotonic() + 60 * minutes, 0, 0
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        lasting = Lasting(Path(folder) / "broker.db", limits=LIMITS)
        while time.monotonic() < until_s:
            boots += 1
            async with broker(lasting) as field_:
                for _ in range(ROUNDS_A_BOOT):
                    number += 1
                    try:
                        for part in range(50):
                            codec += codec_round(random.Random(f"{seed} {number} {part}"))
                        await field_.round(random.Random(f"{seed} {number}"))
                    except BaseException:
                        print(f"seed {seed}, round {number}", flush=True)
                        raise
                    if time.monotonic() > until_s:
                        break
                await field_.alive()
                live += field_.found
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first
    told: dict[str, object] = {"seed": seed, "boots": boots, "codec_rounds": 50 * number, "codec": codec, "live": live}
    return {**told, "grown_kib": grown_kib}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(fuzz(chosen.seed, chosen.minutes))))


if __name__ == "__main__":
    main()
