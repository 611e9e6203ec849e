"""`linli demo`: broker, hub, web, simulated huts, TVs, phones and a WeChat server in one supervised program.

Everything said on screen is true: what is simulated is named, taken ports are named, passwords are random.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console

from devices import topics
from hub import garbage, login
from hub.db import Tx
from hub.i18n import speaking
from hub.logs import configure
from hub.main import providers, seedstore, wiring
from hub.main.director import Director
from hub.main.running import Running
from hub.main.seedstore import Credentials
from hub.services import Services
from hub.settings import Settings
from simulators import baseline, frames
from simulators.clock import utc_now
from simulators.hut import Hut, new_boot
from simulators.journal import Journal
from simulators.line import Address
from simulators.phone import Phone
from simulators.plan import DemoPlan, HutPlan, StaffPlan
from simulators.screen import Screen
from simulators.tv import Tv

log = logging.getLogger(__name__)
PORT_TRIES = 50
TVS = 6  # live by default; the other 2,010 boxes are records
LOGIN_MINUTES = 24 * 60  # a visitor reads the table when they like; `serve` gives 15 minutes
TOKEN_ROLES = (
    "staff",
    "director",
    "operator",
    "supervisor",
    "points_office",
    "publisher",
    "grid_worker",
    "doctor",
    "admin",
)
ROOMS = (  # a screen that belongs to one role
    ("值守 attendant's pad", "attendant", "/desk/pad"),
    ("医生 triage", "doctor", "/desk/triage"),
    ("监委会 supervision", "supervisor", "/desk/points/supervision"),
    ("积分办 points office", "points_office", "/desk/points/office"),
)
EMERGENCY_ROLES = ("publisher", "director")  # their demo tokens are marked; on a real hub an operator decides


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the table: a screen and the address that opens it."""

    screen: str
    who: str
    url: str
    password: str = ""  # what this person types to sign what two people answer for


@dataclass
class Demo:
    settings: Settings
    json_out: bool
    stage: bool
    open_browser: bool
    lan: str = ""  # our address on the house network, where a real television and phone may come in
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    huts: dict[str, Hut] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> None:
        """Start all of it, say where it is, wait for Ctrl-C, stop all of it."""
        self._catch_signals()
        seed_text = f"linli-{self.settings.seed}"
        now = datetime.now(UTC)
        with self._folder(seed_text, now) as folder:
            credentials = Credentials.read(folder)
            settings = self._doors(replace(self.settings, data_dir=folder, key_file=""))
            async with AsyncExitStack() as stack:
                await self._live(stack, settings, credentials)

    async def _live(self, stack: AsyncExitStack, settings: Settings, credentials: Credentials) -> None:
        plan = seedstore.plan_of(settings.data_dir, credentials)
        here = "127.0.0.1" if self.lan else settings.http_host
        inside = f"http://{here}:{settings.http_port}"
        origin = f"http://{self.lan}:{settings.http_port}" if self.lan else inside
        far = await stack.enter_async_context(providers.opened(plan, inside, here))
        # Whoever tries the demo in a Chinese night wants to see messages arrive, and chose no hours.
        night = settings.quiet_hours if "quiet_hours" in settings.sources else ""
        settings = replace(settings, **far.settings, public_url=settings.public_url or origin, quiet_hours=night)
        services = wiring.services(settings, demo=True, stage=self.stage)
        hub = Running(services)
        await hub.start(settings)
        stack.push_async_callback(hub.finish)
        stack.push_async_callback(self._quiet)
        assert hub.mqtt_address is not None  # noqa: S101 - the demo always opens the embedded door
        address = Address(*hub.mqtt_address)
        await self._open_huts(plan, credentials, address, settings)
        horn = await stack.enter_async_context(providers.loudspeaker(services, plan, address, inside))
        walker = providers.grid_worker(services, plan, inside, self.settings.speed)
        office = providers.weather(services, plan, inside, self.settings.speed)
        urls = {
            **far.urls,
            "loudspeaker": horn,
            "grid_worker": await stack.enter_async_context(walker),
            "weather": await stack.enter_async_context(office),
        }
        services.stage = Director(services, plan, self.huts, credentials)
        stack.push_async_callback(services.stage.unplug.stop)
        ways = await services.store.write(lambda tx: self._ways(tx, plan, origin, urls, credentials.passwords))
        phone_code = await services.store.write(lambda tx: _code(tx, "resident", "resident", plan.cast.volunteer, ""))
        await self._open_screens(plan, inside, f"{inside}/login?code={phone_code}")
        garbage.started()
        self._say(ways, plan, address, credentials.gateways[plan.free_hand.gateway])
        if self.lan:
            await self._open_to_the_house(stack, services, plan, settings)
        if self.json_out:
            body = await services.store.write(lambda tx: _for_programs(tx, plan, credentials, ways, address, urls))
            print(json.dumps({"http": origin, **body, "data": str(settings.data_dir)}, ensure_ascii=False), flush=True)
        if self.open_browser:
            webbrowser.open(ways[0].url)
        self.tasks.append(asyncio.create_task(self._phones(services, plan, far.urls["push"]), name="phones"))
        self.tasks.append(asyncio.create_task(self._community_life(plan), name="life"))
        await self.stop.wait()
        self.console.print("正在停止… / stopping")

    # -- before anything runs --------------------------------------------------------------------------------------
    @contextmanager
    def _folder(self, seed_text: str, now: datetime) -> Iterator[Path]:
        """The data folder: one's own with --data, else a copy that is deleted at exit."""
        chosen = "data_dir" in self.settings.sources
        if chosen and (self.settings.data_dir / seedstore.CREDENTIALS).exists():
            self.console.print(f"继续 {self.settings.data_dir} 中的社区 / resuming the community kept there")
            yield self.settings.data_dir
            return
        source = seedstore.obtain(self.settings.state_dir, seed_text, now, self._progress)
        if chosen:
            seedstore.copy(source, self.settings.data_dir)
            yield self.settings.data_dir
            return
        folder = self.settings.state_dir / "run" / str(os.getpid())
        _sweep(folder.parent)
        seedstore.copy(source, folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _progress(self, what: str) -> None:
        self.console.print(f"  正在准备演示社区 / building the demo community: {what}")

    def _doors(self, settings: Settings) -> Settings:
        http = self._free(settings.http_host, settings.http_port, "web")
        mqtt = self._free(settings.mqtt_host, max(settings.mqtt_port, 0), "MQTT", taken=http)
        return replace(settings, http_port=http, mqtt_port=mqtt)

    def _free(self, host: str, wanted: int, what: str, taken: int = -1) -> int:
        for port in range(wanted, wanted + PORT_TRIES) if wanted else [0]:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    continue
                found = int(probe.getsockname()[1])
            if found == taken:
                continue
            if wanted and found != wanted:
                self.console.print(
                    f"端口 {wanted} 已被占用,{what} 改用 {found} / port {wanted} is taken, using {found}"
                )
            return found
        self.console.print(f"从 {wanted} 起没有空闲端口 / no free port from {wanted} on; choose one with --port")
        raise SystemExit(1)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self.stop.is_set():
            os._exit(130)  # the second Ctrl-C means now
        self.stop.set()

    # -- the outside world -----------------------------------------------------------------------------------------
    async def _open_huts(self, plan: DemoPlan, credentials: Credentials, address: Address, settings: Settings) -> None:
        for community in plan.communities:
            for hut_plan in community.huts:
                hut = _hut(hut_plan, credentials, address, settings.data_dir)
                hut.start()
                self.huts[hut_plan.id] = hut
        for hut in self.huts.values():
            await hut.online()
            for device in hut.plan.devices:
                if device.condition == "offline":
                    await hut.die(device.id)

    async def _open_screens(self, plan: DemoPlan, origin: str, phone_login: str) -> None:
        area = plan.communities[0].code
        for number in range(TVS):
            self._watch(Tv(origin, area, name=f"tv-{number}", seed=plan.seed))
        self._watch(Phone(phone_login, name="phone-0", seed=plan.seed))

    async def _phones(self, services: Services, plan: DemoPlan, push: str) -> None:
        """A dozen phones turn notifications on once the stage stands: nobody waits for them to open it."""
        try:
            await providers.subscribe_phones(services, plan, push)
        except (httpx.HTTPError, OSError) as error:
            log.warning("the simulated phones did not subscribe", extra={"why": type(error).__name__})

    def _watch(self, screen: Screen) -> None:
        async def watch() -> None:
            try:
                await screen.run()
            except (httpx.HTTPError, OSError, PermissionError) as error:
                log.warning("a simulated screen went dark", extra={"screen": screen.name, "why": type(error).__name__})
            finally:
                await screen.close()

        self.tasks.append(asyncio.create_task(watch(), name=screen.name))

    async def _community_life(self, plan: DemoPlan) -> None:
        """Neighbours come and measure, `--speed` times as often as in life, everywhere but in the stage's own hut."""
        async with asyncio.TaskGroup() as group:
            for community in plan.communities:
                for hut_plan in community.huts[1 if community is plan.communities[0] else 0 :]:
                    group.create_task(self.huts[hut_plan.id].live(list(community.people), self.settings.speed))

    async def _quiet(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(hut.stop() for hut in self.huts.values())), 1.0)

    async def _open_to_the_house(
        self, stack: AsyncExitStack, services: Services, plan: DemoPlan, settings: Settings
    ) -> None:
        """A code for the television and one for the phone, which gets https."""
        from hub.main import lan  # the certificate's half a second only where one is made

        pem = lan.certificate(settings.state_dir / "lan", self.lan, datetime.now(UTC))
        port = self._free("0.0.0.0", settings.http_port + 1, "https")  # noqa: S104 - asked for by --lan
        secure = await stack.enter_async_context(
            lan.Terminator("0.0.0.0", port, ("127.0.0.1", settings.http_port), pem)  # noqa: S104
        )
        elder = plan.cast.elder
        code = await services.store.write(lambda tx: _code(tx, "resident", "resident", elder, ""))
        for name, url in (
            ("电视 TV", f"http://{self.lan}:{settings.http_port}/tv/{plan.communities[0].code}"),
            ("手机 phone", f"https://{self.lan}:{secure}/login?code={code}&next=/"),
        ):
            self.console.print(f"\n[bold]{name}[/] · {url}", soft_wrap=True)
            self.console.print(lan.qr_lines(url), markup=False, highlight=False, soft_wrap=True)
        players = f"http://{self.lan}:{settings.http_port}/tv/playlist.m3u"
        self.console.print(f"\n[bold]播放器 players[/] (Kodi, VLC, TiviMate, Jellyfin) · {players}", soft_wrap=True)
        self.console.print(lan.WHAT_HTTP_CANNOT, soft_wrap=True)
        self.console.print(lan.if_nothing_opens((settings.http_port, secure)), soft_wrap=True)

    # -- what is printed -------------------------------------------------------------------------------------------
    def _ways(
        self, tx: Tx, plan: DemoPlan, origin: str, far: Mapping[str, str], passwords: Mapping[str, str]
    ) -> list[Way]:
        home = plan.communities[0]
        first = home.huts[0]
        people = {person.id: person for person in home.people}
        elder = people[plan.cast.elder]
        director = next(member for member in home.staff if member.role == "director")
        staff = next(member for member in home.staff if member.role == "staff")
        walker = [member for member in home.staff if member.role == "grid_worker"][1]  # the first one is simulated
        operator = next(member for member in plan.city_staff if member.role == "operator")
        publisher = next(member for member in plan.city_staff if member.role == "publisher")
        holder = {member.role: member for member in reversed([*home.staff, *plan.city_staff])}  # the first of each role
        pair = login.issue_code(tx, "kiosk", "kiosk", first.id, area=home.code, minutes=LOGIN_MINUTES)

        def signed(surface: str, kind: str, ident: str, to: str) -> str:
            return f"{origin}/login?code={_code(tx, surface, kind, ident, home.code)}&next={to}"

        def desk(member: StaffPlan, more: str = "") -> Way:
            to = signed("staff", "staff", member.id, "/desk")
            return Way("工作台 desk", member.title_zh + more, to, passwords.get(member.login, ""))

        return [
            *([Way("舞台 stage", "所有屏幕 every screen at once", f"{origin}/stage")] if self.stage else []),
            Way("居民 phone", f"{elder.name[:1]}** (居民 resident)", signed("resident", "resident", elder.id, "/")),
            Way("小屋 kiosk", first.zh, f"{origin}/kiosk/{first.id}?pair={pair}"),
            Way("电视 TV", home.zh, f"{origin}/tv/{home.code}"),
            desk(staff),
            desk(director, " (第二签 second signature)"),
            desk(publisher, " (应急第一签 first signature of an emergency)"),
            Way("上门 visits", "网格员 grid worker", signed("staff", "staff", walker.id, "/visits")),
            Way("运维 operate", operator.title_zh, signed("staff", "staff", operator.id, "/operate")),
            *(
                Way(screen, holder[role].title_zh, signed("staff", "staff", holder[role].id, page))
                for screen, role, page in ROOMS
            ),
            Way("微信 WeChat", "模拟服务器 simulated server", f"{far['wechat']}/"),
            Way("短信 SMS", "模拟网关 simulated gateway", f"{far['sms']}/"),
            Way("推送 push", "模拟的锁屏 simulated lock screens", f"{far['push']}/"),
            Way("大喇叭 loudspeaker", "模拟的大喇叭 simulated, with its sound", f"{far['loudspeaker']}/"),
            Way("气象台 weather", "模拟的气象台，预警送到值班台 simulated, warns the desk", f"{far['weather']}/"),
        ]

    def _say(self, ways: list[Way], plan: DemoPlan, address: Address, password: str) -> None:
        self.console.print("\nLinli 邻里 · 演示数据，均为虚构 / demo data, all invented", style="bold")
        self.console.print(
            "登录地址各用一次，24 小时内有效 / each login address works once, within 24 hours\n", style="dim"
        )
        for way in ways:
            # Two lines a screen: a table would cut the addresses in a narrow window.
            self.console.print(f"[bold]{way.screen}[/] · {way.who}\n    {way.url}", soft_wrap=True)
            if way.password:
                self.console.print(f"    签发密码 password to sign: {way.password}", soft_wrap=True, markup=False)
        self.console.print(_by_hand(plan, address, password), soft_wrap=True, markup=False)
        self.console.print(
            f"模拟的有 simulated: {len(self.huts)} 个小屋网关及设备 huts, {TVS} 台电视 TVs, 1 部手机 phone, "
            "1 名网格员 grid worker, 1 个气象台 weather office, "
            "微信平台 WeChat platform, 短信网关 SMS gateway, 推送服务 push service. "
            "真实的有 real: MQTT, 存储 storage, 网页 pages. Ctrl-C 停止 stops.",
            soft_wrap=True,
        )


def _by_hand(plan: DemoPlan, address: Address, password: str) -> str:
    """A command that works as it stands: 128/82 from the cuff behind `free-hand`, its time set to now."""
    free = plan.free_hand
    cuff = next(device for device in free.devices if device.kind == "bp")
    frame = frames.frame(cuff, baseline.Pressure(128, 82, 97, 72), utc_now()).payload
    octets = "".join(f"\\x{octet:02x}" for octet in frame)
    topic = topics.up(free.area, free.gateway, cuff.id, cuff.codec or "")
    return (
        f"手写一帧 a frame by hand:\n  printf '{octets}' | mosquitto_pub -h {address.host} -p {address.port} -V mqttv5 "
        f"-i hand -u {free.gateway} -P {password} -q 1 -t {topic} -s"
    )


def _hut(plan: HutPlan, credentials: Credentials, address: Address, data: Path) -> Hut:
    outbox = data / "outbox"
    outbox.mkdir(exist_ok=True, mode=0o700)
    journal = Journal.open(outbox / f"{plan.gateway}.jsonl", new_boot)
    return Hut(
        plan,
        credentials.gateways[plan.gateway],
        address=address,
        journal=journal,
        seed=credentials.seed,
        now=utc_now,
    )


def _code(tx: Tx, surface: str, kind: str, subject: str, area: str) -> str:
    return login.issue_code(tx, surface, kind, subject, area=area, minutes=LOGIN_MINUTES)


def _for_programs(
    tx: Tx, plan: DemoPlan, credentials: Credentials, ways: list[Way], address: Address, far: Mapping[str, str]
) -> dict[str, object]:
    """The one line of `--json` (contracts.md 4)."""
    huts = [hut for community in plan.communities for hut in community.huts]
    home = plan.communities[0]
    city = plan.areas[0].code
    tokens = {role: login.create_token(tx, role, city, emergencies=role in EMERGENCY_ROLES) for role in TOKEN_ROLES}
    tokens["second_staff"] = login.create_token(tx, "staff", city)
    tokens["resident"] = login.open_session(tx, "api", "resident", plan.cast.elder)
    return {
        "mqtt": {"host": address.host, "port": address.port},
        "areas": [community.code for community in plan.communities],
        "huts": [{"id": hut.id, "url": _kiosk_url(tx, hut, ways)} for hut in huts],
        "gateways": [
            {
                "id": hut.gateway,
                "area": hut.area,
                "password": credentials.gateways[hut.gateway],
                "devices": [
                    {"id": device.id, "profile": device.profile, "codec": device.codec}
                    for device in hut.devices
                    if device.codec
                ],
            }
            for hut in [*huts, plan.free_hand]
        ],
        "tokens": tokens,
        "resident": plan.cast.elder,
        "cards": {person.id: person.card for person in home.people if person.id in _cast(plan)},
        "urls": [{"screen": way.screen, "url": way.url} for way in ways],
        "passwords": {way.url: way.password for way in ways if way.password},
        "sims": dict(far),
    }


def _cast(plan: DemoPlan) -> tuple[str, ...]:
    return (plan.cast.grandmother, plan.cast.elder, plan.cast.volunteer)


def _kiosk_url(tx: Tx, hut: HutPlan, ways: list[Way]) -> str:
    origin = next(way.url for way in ways if "/login?" in way.url).split("/login")[0]
    code = login.issue_code(tx, "kiosk", "kiosk", hut.id, area=hut.area, minutes=LOGIN_MINUTES)
    return f"{origin}/kiosk/{hut.id}?pair={code}"


def _sweep(runs: Path) -> None:
    """Copies of demos that were killed: their process is gone."""
    for folder in runs.glob("*") if runs.exists() else ():
        if folder.name.isdigit() and not Path(f"/proc/{folder.name}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def run(
    settings: Settings, *, json_out: bool = False, stage: bool = True, open_browser: bool = False, lan: bool = False
) -> None:
    configure(settings.log_level)
    address = ""
    if lan:
        from hub.main.lan import own_address

        address = own_address()
        settings = replace(settings, http_host="0.0.0.0")  # noqa: S104 - asked for by --lan
    with speaking("zh"):
        asyncio.run(Demo(settings, json_out, stage, open_browser, address).run())
    sys.stdout.flush()
