"""Linli itself, as `linli serve` runs it: embedded door, the same with values left open, envelopes, behind mosquitto.

Run as a program this file is a hub whose seal seals nothing: only here, only to see what sealing costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from bench.contestants.base import Opened, RowCount
from bench.rig import peer, town
from bench.rig.process import Program, python
from hub.seal import Seal

START_S, LOOK_S = 60.0, 0.05
HUB = ("serve", "--role", "front", "--role", "ingest")


class Linli:
    def __init__(self, name: str, what: str, *, module: str = "hub", records: int = 1, behind: bool = False) -> None:
        self.name, self.what = name, what
        self._module, self._records, self._behind = module, records, behind

    def open(self, folder: Path) -> Opened:
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "data"
        accounts = {account.user: account.password for account in town.found(data)}
        words = [*HUB, "--data", str(data)]
        programs, port = [], 0
        if self._behind:
            broker, port = peer.start(folder)
            programs.append(broker)
            words += ["--mqtt", f"mqtt://hub:x@127.0.0.1:{port}/"]
        else:
            words += ["--mqtt-port", "0"]
        hub = Program(python(self._module, *words), folder / "hub.log")
        programs.append(hub)
        if not self._behind:
            port = _port(hub)
            return Opened(port, accounts, programs, records=self._records)
        count = RowCount(data / "linli.db", "reading")
        _subscribed(port, hub, count)
        return Opened(port, accounts, programs, count)


SEALED = Linli("linli", "Linli, embedded door, durable, values sealed")
UNSEALED = Linli("linli-unsealed", "the same, values left open", module="bench.contestants.linli")
PACKS = Linli("linli-packs", "the same as the first, 50 readings to an envelope", records=50)
BEHIND = Linli("linli-mqtt", "Linli behind mosquitto, by paho-mqtt", behind=True)


def _port(hub: Program) -> int:
    """The port it says that its door is open on."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and hub.running:
        for line in hub.said.splitlines():
            if line.startswith("mqtt "):
                return int(line.rsplit(":", 1)[1])
        time.sleep(LOOK_S)
    raise RuntimeError(f"the hub did not start: {hub.said[-2000:]}")


def _subscribed(port: int, hub: Program, count: RowCount) -> None:
    """Behind a broker nobody says when the hub has subscribed: say one thing until it is stored."""
    import socket

    from bench.rig.driver import connect_packet, publish_packet

    topic = town.topics_of(town.GATEWAYS[0])[0]
    deadline = time.monotonic() + START_S
    while count.now() == 0:
        if not hub.running or time.monotonic() > deadline:
            raise RuntimeError(f"the hub stored nothing: {hub.said[-2000:]}")
        with socket.create_connection(("127.0.0.1", port), 5.0) as line:
            body = town.payloads(0, 1, int(time.time()) - 3600)[0]
            line.sendall(connect_packet(town.GATEWAYS[0], "x", "probe") + publish_packet(topic, body, 1))
            line.recv(8)
            time.sleep(5 * LOOK_S)


class OpenSeal(Seal):
    """Leaves every field as it is, behind bytes of the same length."""

    def close(self, plain: bytes, field: str) -> bytes:
        return bytes(29) + plain

    def close_all(self, plains: Iterable[bytes], field: str) -> list[bytes]:
        return [bytes(29) + plain for plain in plains]

    def read(self, sealed: bytes, field: str) -> bytes:
        return bytes(sealed[29:])


def main() -> None:
    from hub.main import serve, wiring
    from hub.settings import load

    wiring.Seal = OpenSeal  # type: ignore[misc]
    data = Path(sys.argv[sys.argv.index("--data") + 1])
    serve.run(load({"data_dir": data, "mqtt_port": 0}, {}), roles=("front", "ingest"))


if __name__ == "__main__":
    main()
