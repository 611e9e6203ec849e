"""`python -m tests.interop`: the matrix at our broker and at Debian's mosquitto, side by side."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conftest import program
from tests.interop.matrix import ABILITIES, GUESTS, VERSIONS, column
from tests.interop.place import mosquittos, ours


async def tell() -> int:
    brokers = {"ours": ours, "mosquitto": mosquittos}
    print(f"{'':18}{'':8}{'':11}" + "".join(f"{ability:16}" for ability in ABILITIES))
    worst = 0
    for guest in GUESTS:
        if guest == "mqtt.js" and program("mqtt_js") is None:
            print(f"{guest:18}not here: npm ci in tests/interop")
            continue
        for version in VERSIONS:
            for name, broker in brokers.items():
                with tempfile.TemporaryDirectory() as folder:
                    async with broker(Path(folder)) as place:
                        found = await column(guest, version, place)
                cells = "".join(f"{cell[:14]:16}" for cell in found.values())
                print(f"{guest:18}{'3.1.1' if version == 4 else '5':8}{name:11}{cells}", flush=True)
                worst |= name == "ours" and any(cell not in ("ok", "-") for cell in found.values())
    return int(worst)


if __name__ == "__main__":
    sys.exit(asyncio.run(tell()))
