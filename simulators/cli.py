"""`linli simulate ...`: any part of the outside world alone against any hub; seeded, bounded, it says what it did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import typer

from simulators import equipment, people
from simulators.baseline import LOCAL
from simulators.clock import utc_now
from simulators.faults import ALL, USUAL, Fault, Faults
from simulators.hut import Hut, new_boot
from simulators.journal import Journal
from simulators.line import Address
from simulators.load import Account
from simulators.load import load as run_load
from simulators.phone import Phone
from simulators.plan import DevicePlan, HutPlan
from simulators.tv import Tv, totals, watching
from simulators.tv_box import TvBox

ONLINE_WITHIN_S = 15.0
KINDS = {**equipment.MODELS, **equipment.MORE}
VOICE = Path(__file__).resolve().parent.parent / "channels" / "loudspeaker_voice.py"  # a program: text in, WAV out
SMS_TEMPLATES = Path(__file__).resolve().parent.parent / "channels" / "sms_templates.toml"

app = typer.Typer(help="The outside world, simulated: each part alone against any hub.", no_args_is_help=True)
T = TypeVar("T")

Seed = Annotated[str, typer.Option(help="The same seed does the same things.")]
Minutes = Annotated[float, typer.Option(min=0.0, help="When to stop.")]
Mqtt = Annotated[str, typer.Option(help="Where the hub listens for devices: mqtt://host:port.")]
Http = Annotated[str, typer.Option(help="Where the hub serves pages: http://host:port.")]


@app.command()
def hut(
    gateway: Annotated[str, typer.Argument(help="The gateway's id; one of the demo's knows its devices itself.")],
    password: Annotated[str, typer.Option(envvar="LINLI_SIM_PASSWORD", help="What the hub printed once.")],
    mqtt: Mqtt = "mqtt://127.0.0.1:1883",
    area: Annotated[str, typer.Option(help="Area code; needed for a gateway the demo does not know.")] = "",
    device: Annotated[
        list[str] | None, typer.Option(help=f"ID=KIND, KIND one of {', '.join(KINDS)}; may be repeated.")
    ] = None,
    seed: Seed = "linli-1",
    minutes: Minutes = 10.0,
    speed: Annotated[float, typer.Option(min=0.1, help="How many times as often as in life people come.")] = 60.0,
    faults: Annotated[
        list[str] | None, typer.Option(help="NAME or NAME=RATE by commas, usual, or all: " + ", ".join(Fault))
    ] = None,
    journal: Annotated[Path | None, typer.Option(help="The outbox; kept for the next run.")] = None,
    raw: Annotated[bool, typer.Option(help="Frames alone, without envelope and outbox.")] = False,
) -> None:
    """A hut: people come, devices measure, frames leave."""
    plan, switches, address = _hut_plan(gateway, area, device or []), Faults(seed, _rates(faults or [])), _address(mqtt)
    with tempfile.TemporaryDirectory(prefix="linli-hut-") as folder:
        simulated = Hut(
            plan,
            password,
            address=address,
            journal=Journal.open(journal or Path(folder) / "outbox", new_boot),
            seed=seed,
            faults=switches,
            mode="raw" if raw else "pack",
        )
        _run(_hut_life(simulated, seed, minutes, speed))
        waiting = len(simulated.gateway.journal.pending())
    _say({"gateway": gateway, **dict(sorted(simulated.counts.items())), "without_receipt": waiting})


async def _hut_life(simulated: Hut, seed: str, minutes: float, speed: float) -> None:
    simulated.start()
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            await simulated.gateway.first_line()
        demo = people.plan(seed, utc_now().astimezone(LOCAL).date())
        community = next((one for one in demo.communities if one.code == simulated.plan.area), demo.communities[0])
        await _for(minutes, simulated.live(community.people, speed))
    finally:
        await simulated.stop()


@app.command()
def tv(
    area: Annotated[str, typer.Argument(help="Area code: the page is /tv/AREA.")],
    http: Http = "http://127.0.0.1:8080",
    count: Annotated[int, typer.Option(min=1, max=5000, help="How many sets.")] = 6,
    seed: Seed = "linli-1",
    minutes: Minutes = 10.0,
    channel: Annotated[bool, typer.Option("--channel", help="Watch the HLS channel instead of the page.")] = False,
) -> None:
    """Television sets with somebody on the sofa; with --channel, players that look at every frame's time and colour."""
    if channel:
        _say(_run(_channel_boxes(area, http, count, minutes)))
        return

    async def run() -> dict[str, int]:
        sets = [Tv(http, area, name=f"tv-{number}", seed=seed) for number in range(1, count + 1)]
        async with watching(sets):
            await asyncio.sleep(minutes * 60)
            showing = {notice for one in sets for notice in one.now_showing}
        return {**totals(sets), "sets": count, "notices_showing": len(showing)}

    _say(_run(run()))


async def _channel_boxes(area: str, http: str, count: int, minutes: float) -> dict[str, int]:
    boxes = [TvBox(http, area) for _number in range(count)]
    await boxes[0].tune()
    async with asyncio.TaskGroup() as group:
        for box in boxes:
            group.create_task(box.watch(minutes * 60))
    for fault in sorted({fault for box in boxes for fault in box.wrong}):
        typer.echo(f"wrong: {fault}", err=True)
    total = sum((box.counts for box in boxes), Counter[str]())
    pages = len(set().union(*(box.pages for box in boxes)))
    alarms = sum(red for _at, red in boxes[0].alarms)
    faults = sum(len(box.wrong) for box in boxes)
    return {**dict(sorted(total.items())), "sets": count, "pages": pages, "alarms": alarms, "faults": faults}


@app.command()
def phone(
    login: Annotated[str, typer.Argument(help="The one-time address the hub printed: http://.../login?code=...")],
    path: Annotated[str, typer.Option(help="The page opened after signing in.")] = "/",
    seed: Seed = "linli-1",
    minutes: Minutes = 10.0,
) -> None:
    """A resident's phone."""

    async def run() -> dict[str, int]:
        one = Phone(login, name="phone", seed=seed, path=path)
        async with watching([one], stagger_s=0):
            await asyncio.sleep(minutes * 60)
        return totals([one])

    _say(_run(run()))


@app.command("grid-worker")
def grid_worker(
    login: Annotated[str, typer.Argument(help="A grid worker's one-time address: http://.../login?code=...")],
    seed: Seed = "linli-1",
    minutes: Minutes = 10.0,
    speed: Annotated[float, typer.Option(min=0.1, help="1 is four minutes from door to door.")] = 60.0,
) -> None:
    """A grid worker's phone: walks the round, records what is found, keeps results while there is no line."""
    from simulators.grid_worker import FOUND, GridWorker, running

    async def run() -> dict[str, object]:
        worker = GridWorker(login, name="grid-worker", seed=seed, pace=speed)
        try:
            async with running(worker) as url:
                _say({"grid_worker": url, "inbox": f"{url}/sim/inbox"})
                await _for(minutes, worker.walk())
        finally:
            await worker.close()
        return {
            "found": {name: worker.counts[name] for name, _share in FOUND},
            "told": dict(worker.told),
            "waiting": len(worker.waiting),
        }

    _say(_run(run()))


@app.command()
def wechat(
    callback: Annotated[str, typer.Option(help="The hub's official-account callback: http://host:port/wechat.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    appid: Annotated[str, typer.Option()] = "wxlinlidemo000001",
    token: Annotated[str, typer.Option(help="Signs callbacks; made up when absent.")] = "",
    aes_key: Annotated[str, typer.Option(help="43 characters; empty for plain callbacks.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed does the same things.")] = 1,
    minutes: Minutes = 10.0,
) -> None:
    """The WeChat server: tokens, template messages, receipts, callbacks, an inbox to look into."""
    from simulators.wechat_api import WechatSim, serve  # pulls in a web server, which the other parts do not need

    secret, signing = secrets.token_urlsafe(24), token or secrets.token_urlsafe(16)
    config = WechatSim(appid, secret, signing, aes_key=aes_key, callback_url=callback, seed=seed)

    def ready(url: str) -> None:
        _say({"wechat": url, "appid": appid, "secret": secret, "token": signing, "inbox": f"{url}/sim/inbox"})

    _run(_for(minutes, serve(config, port=port, ready=ready)))


@app.command()
def sms(
    callback: Annotated[str, typer.Option(help="The hub's address for reports: http://host:port/callback/sms.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    access_id: Annotated[str, typer.Option(help="The customer's name.")] = "linli",
    sign: Annotated[str, typer.Option(help="The approved sign.")] = "邻里",
    templates: Annotated[Path, typer.Option(help="The approved texts, TOML.")] = SMS_TEMPLATES,
    contact: Annotated[str, typer.Option(help="What stands for {contact} in them.")] = "12345",
    seed: Annotated[int, typer.Option(help="The same seed does the same things.")] = 1,
    minutes: Minutes = 10.0,
) -> None:
    """An SMS gateway: signed requests, reviewed templates, limits, reports, answers; phones to look at."""
    from simulators.sms_gateway import SmsSim
    from simulators.sms_gateway import running as sms_running

    secret = secrets.token_urlsafe(24)
    config = SmsSim(access_id, secret, sign, _approved(templates, contact), callback, seed)

    async def live() -> None:
        async with sms_running(config, port=port) as url:
            _say({"sms": url, "access_id": access_id, "secret": secret, "sign": sign, "inbox": f"{url}/sim/inbox"})
            await asyncio.Event().wait()

    _run(_for(minutes, live()))


@app.command()
def push(
    callback: Annotated[str, typer.Option(help="Where phones report: http://host:port/callback/webpush.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed does the same things.")] = 1,
    minutes: Minutes = 10.0,
) -> None:
    """A push service with its phones: it decrypts what they get; lock screens to look at."""
    from simulators.push_service import PushSim
    from simulators.push_service import running as push_running

    async def live() -> None:
        async with push_running(PushSim(callback, seed), port=port) as url:
            _say({"push": url, "services": url, "inbox": f"{url}/sim/inbox"})
            await asyncio.Event().wait()

    _run(_for(minutes, live()))


@app.command()
def loudspeaker(
    area: Annotated[str, typer.Argument(help="The community whose board it reads.")],
    user: Annotated[str, typer.Option(help="Its account: linli screen create USER --area AREA --loudspeaker.")],
    password: Annotated[str, typer.Option(envvar="LINLI_SIM_PASSWORD", help="What the hub printed once.")],
    mqtt: Mqtt = "mqtt://127.0.0.1:1883",
    http: Http = "http://127.0.0.1:8080",
    out: Annotated[Path, typer.Option(help="Where the WAV files go.")] = Path("loudspeaker"),
    tongue: Annotated[str, typer.Option(help="cmn (Mandarin) or yue (Cantonese); empty: it has no voice.")] = "cmn",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its own page; 0 takes a free one.")] = 0,
    minutes: Minutes = 10.0,
) -> None:
    """A loudspeaker on a pole: it says the board's notices into WAV files, and reports."""
    from simulators.loudspeaker import SpeakerSim
    from simulators.loudspeaker_page import running

    voice = (sys.executable, "-I", str(VOICE), tongue) if tongue else ()
    config = SpeakerSim(_address(mqtt), user, password, area, http, out, voice=voice)

    async def live() -> None:
        async with running(config, port=port) as (url, _speaker):
            _say({"loudspeaker": url, "inbox": f"{url}/sim/inbox"})
            await asyncio.Event().wait()

    _run(_for(minutes, live()))


@app.command()
def load(
    gateway: Annotated[list[str], typer.Option(help="ID:PASSWORD:AREA[:DEVICE,...]; may be repeated.")],
    oracle: Annotated[Path, typer.Option(help="File of what was acknowledged, fsynced.")],
    mqtt: Mqtt = "mqtt://127.0.0.1:1883",
    rate: Annotated[float, typer.Option(min=0.1, help="Readings a second.")] = 500.0,
    seconds: Annotated[float, typer.Option(min=0.1)] = 60.0,
    seed: Seed = "1",
) -> None:
    """Readings at a steady rate, with an oracle of what the hub acknowledged."""
    try:
        accounts = [Account.parse(text) for text in gateway]
    except ValueError as wrong:
        _fail(str(wrong))
    _say(_run(run_load(_address(mqtt), accounts, rate=rate, seconds=seconds, oracle=oracle, seed=seed)))


def _hut_plan(gateway: str, area: str, named: list[str]) -> HutPlan:
    known = next((one for one in (*equipment.HUTS, equipment.FREE_HAND) if one.gateway == gateway), None)
    if known is not None and not named and area in ("", known.area):
        return known
    devices = []
    for text in named:
        id, _, kind = text.partition("=")
        if kind not in KINDS:
            _fail(f"a device is ID=KIND, and KIND one of {', '.join(KINDS)}; {text} is not")
        codec = KINDS[kind][1]
        clock = kind not in equipment.CLOCKLESS or kind == "spo2"  # the generic oximeter may have one
        devices.append(DevicePlan(id, gateway, kind, f"generic.{codec}", f"SIM-{id}", id, id, codec=codec, clock=clock))
    if not devices or not area:
        _fail(f"{gateway} is no gateway of the demo: say its --area and at least one --device ID=KIND")
    return HutPlan(gateway, area, gateway, gateway, gateway, tuple(devices))


def _approved(file: Path, contact: str) -> dict[str, str]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        _fail(f"the templates cannot be read: {trouble}")
    return {
        f"{name}-{lang}": str(text).replace("{contact}", contact)
        for name, texts in table.items()
        if isinstance(texts, dict)
        for lang, text in texts.items()
    }


def _rates(named: list[str]) -> dict[Fault, float]:
    rates: dict[Fault, float] = {}
    for text in (word for each in named for word in each.split(",") if word):
        if text in ("usual", "all"):
            rates.update(USUAL if text == "usual" else ALL)
            continue
        name, _, rate = text.partition("=")
        try:
            rates[Fault(name)] = float(rate or "0.1")
        except ValueError:
            _fail(f"{text} is no fault; they are {', '.join(Fault)}, each with =RATE from 0 to 1")
    return rates


def _address(url: str) -> Address:
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme != "mqtt" or not parts.hostname:
        _fail(f"{url} is not of the form mqtt://host:port")
    return Address(parts.hostname, parts.port or 1883)


async def _for(minutes: float, work: Coroutine[None, None, None]) -> None:
    """Bounded: the work ends by itself or is cancelled when its time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timedelta(minutes=minutes).total_seconds()):
            await work


def _run(work: Coroutine[None, None, T]) -> T:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except ExceptionGroup as group:
        _fail(f"stopped: {group.exceptions[0]}")
    except TimeoutError:
        _fail("the hub did not answer in time")
    except (OSError, ValueError, httpx.TransportError, httpx.HTTPStatusError) as trouble:
        _fail(f"stopped: {trouble}")


def _say(done: Mapping[str, object]) -> None:
    typer.echo(json.dumps(done, ensure_ascii=False))


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
