"""What must be refused, sent to Debian's mosquitto: `python -m tests.broker.beside` lists what it lets pass."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hub.broker import packets as p
from hub.broker import reasons
from hub.broker.codec import MalformedPacket
from tests.broker.clausekit import FREE
from tests.broker.rig import SECRET, mosquitto
from tests.broker.sockets import call
from tests.broker.test_clauses_wire import MALFORMED, STRANGE

SILENCE_S = 1.0


async def passes(port: int, version: int, data: bytes, known: bool) -> bool:
    """Whether the line goes on, as a ping after the bytes or a CONNACK shows; or says nothing and stays."""
    async with call(port, version=version) as client:
        if known:
            assert (await client.login("free", client_id="c")).reason == 0
        await client.raw(data + (b"\xc0\x00" if known else b""))
        try:
            async with asyncio.timeout(SILENCE_S):
                while (packet := await client.next()) is not None:
                    if isinstance(packet, p.Pingresp) or (isinstance(packet, p.Connack) and not packet.reason):
                        return True
        except TimeoutError:
            return True
        except MalformedPacket:  # it speaks the other version, and is done with us
            return False
    return False


async def tell() -> None:
    rows: list[tuple[str, int, Callable[[int], bytes], bool]] = []
    for says, versions, make, code in MALFORMED:
        if code == reasons.TOO_LARGE:  # its own limit is another
            continue
        rows += [(says, version, make, True) for version in ((4, 5) if versions == 45 else (versions,))]
    for says, make in STRANGE:
        rows += [(says, version, make, False) for version in (4, 5)]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        async with mosquitto(Path(folder), [(FREE, SECRET)]) as port:
            for says, version, make, known in rows:
                if await passes(port, version, make(version), known):
                    missed += 1
                    print(f"{'3.1.1' if version == 4 else '5':6}{says}")
    print(f"{missed} of {len(rows)} pass at mosquitto; here none does (test_clauses_wire.py)")


if __name__ == "__main__":
    asyncio.run(tell())
