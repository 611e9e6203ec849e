"""`linli gateway scan|pair|run`: what a person types on the box in a hut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hub.main.blegate.radio import NoRadio, Radio, Seen

Config = Annotated[Path, typer.Option("--config", help="The gateway's file: hub, account, devices, printer.")]
Recorded = Annotated[
    list[Path] | None, typer.Option(help="A recorded peripheral (JSON) instead of Bluetooth; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
SCAN_S = 10.0


def register(gateway: typer.Typer) -> None:
    """Beside create, list, rotate and revoke, which act on the hub's store."""
    gateway.command("scan")(scan)
    gateway.command("pair")(pair)
    gateway.command("run")(run)


def scan(
    seconds: Annotated[float, typer.Option(min=1, help="How long to listen.")] = SCAN_S,
    recorded: Recorded = None,
    as_json: AsJson = False,
) -> None:
    """Bluetooth devices near this box, and the profiles they fit."""
    from hub.main.blegate.setup import guess

    async def work() -> list[Seen]:
        near: dict[str, Seen] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for seen in _radio(recorded).watch():
                    near[seen.address] = seen
                    if recorded and len(near) == len(recorded):
                        break
        return sorted(near.values(), key=lambda seen: -seen.rssi)

    found = _do(work())
    rows = [
        {"address": seen.address, "name": seen.name, "rssi": seen.rssi, "services": list(seen.services),
         "profiles": list(guess(seen.name, tuple(seen.services)))}
        for seen in found
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['address']}  {row['rssi']} dBm  {row['name'] or '-'}  {', '.join(row['profiles']) or '-'}")
    if not rows:
        typer.echo("No device advertises here; wake it up (measure, or press its Bluetooth key) and scan again")


def pair(
    address: str,
    device: Annotated[str, typer.Option(help="The id under which the hub knows it.")],
    profile: Annotated[str, typer.Option(help="A file of devices/profiles/, as `linli gateway scan` names it.")],
    config: Config = Path("gateway.toml"),
    recorded: Recorded = None,
) -> None:
    """Pair with a device and enter it in the gateway's file."""
    from hub.main.blegate.setup import Place, SetupWrong, with_device

    _do(_radio(recorded).pair(address))
    try:
        with_device(config, Place(device, address, profile))
    except SetupWrong as wrong:
        _stop(str(wrong))
    typer.echo(f"{device} {address} {profile}")


def run(config: Config = Path("gateway.toml"), recorded: Recorded = None) -> None:
    """Read the devices of this hut and hand their readings to the hub, until stopped."""
    from hub.logs import configure
    from hub.main.blegate.setup import SetupWrong, read

    configure("INFO")
    try:
        setup = read(config)
        asyncio.run(_run(setup, _radio(recorded), config.with_suffix(".journal"), ends=bool(recorded)))
    except (SetupWrong, NoRadio, ConnectionError) as wrong:
        _stop(str(wrong))


async def _run(setup: Any, radio: Radio, journal: Path, *, ends: bool) -> None:
    from hub.main.blegate.program import BleGateway
    from simulators.journal import Journal

    kept = Journal.open(journal, lambda: f"g{secrets.token_hex(6)}")
    program = BleGateway(setup, radio, kept)

    async def until_told() -> None:
        await program.run()
        if ends:
            await program.gateway.settled()

    work = asyncio.get_running_loop().create_task(until_told())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        typer.echo("stopping", err=True)
    finally:
        await program.gateway.stop()
    typer.echo(json.dumps(dict(program.gateway.counts)))


def _radio(recorded: list[Path] | None) -> Radio:
    if recorded:
        from simulators.gatt import Peripheral, RecordedRadio

        return RecordedRadio([Peripheral.load(path) for path in recorded])
    from hub.main.blegate.bleak_radio import radio

    try:
        return radio()
    except NoRadio as missing:
        _stop(str(missing))


def _do(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except (NoRadio, ConnectionError) as wrong:
        _stop(str(wrong))


def _stop(sentence: str) -> NoReturn:
    typer.echo(f"linli: {sentence}", err=True)
    raise typer.Exit(1)
