"""The demo's providers: a simulated WeChat platform, SMS gateway and push service, and what the hub is told of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import channels
from channels.base import Offered
from channels.sms_text import approved_texts
from hub import audience, courier, login, registry
from hub.civic.notices.board import BoardKey
from hub.db import Tx
from hub.main import wiring
from hub.rng import secret
from hub.services import Services
from simulators.cap_feed import WeatherSim
from simulators.cap_feed import running as weather_running
from simulators.grid_worker import GridWorker
from simulators.grid_worker import running as walker_running
from simulators.line import Address
from simulators.loudspeaker import SpeakerSim
from simulators.loudspeaker_page import running as speaker_running
from simulators.plan import DemoPlan, PersonPlan
from simulators.push_service import PushSim
from simulators.push_service import running as push_running
from simulators.sms_gateway import SmsSim
from simulators.sms_gateway import running as sms_running
from simulators.weather_office import Office
from simulators.wechat_api import WechatSim
from simulators.wechat_api import running as wechat_running

SMS_SIGN, SMS_CONTACT = "邻里", "12345"
PUSH_SUBJECT = "mailto:demo@linli.example"
SPEAKER = "demo-horn-1"
WALKING_PACE = 6.0  # of life, in which doors are four minutes apart: a visitor to the demo sees one open now and then
WEATHER_EVERY_S = 600.0  # a demo of an hour has seen a warning, its update and its end; life is slower
PHONES = 12  # simulated phones with notifications on: enough to look at, cheap at every start


@dataclass(frozen=True, slots=True)
class Providers:
    """Where they listen, by channel, and the settings that lead the hub there."""

    urls: Mapping[str, str]
    settings: Mapping[str, Any]


@asynccontextmanager
async def opened(plan: DemoPlan, origin: str, host: str) -> AsyncIterator[Providers]:
    wechat, sms = _wechat_account(plan, origin), _sms_account(origin)
    async with AsyncExitStack() as stack:
        urls = {
            "wechat": await stack.enter_async_context(wechat_running(wechat, host, 0)),
            "sms": await stack.enter_async_context(sms_running(sms, host, 0)),
            "push": await stack.enter_async_context(
                push_running(PushSim(callback_url=f"{origin}/callback/webpush", seed=plan.seed), host, 0)
            ),
        }
        settings = {
            "wechat_url": urls["wechat"],
            "wechat_app_id": wechat.appid,
            "wechat_secret": wechat.secret,
            "wechat_token": wechat.token,
            "wechat_template_id": next(iter(wechat.templates)),
            "sms_url": urls["sms"],
            "sms_access_id": sms.access_id,
            "sms_secret": sms.secret,
            "sms_sign": sms.sign,
            "sms_contact": SMS_CONTACT,
            "webpush_subject": PUSH_SUBJECT,
            "webpush_services": urls["push"],
        }
        yield Providers(urls, settings)


async def subscribe_phones(services: Services, plan: DemoPlan, push: str) -> int:
    """The push service of a new start knows nobody yet: a few residents turn notifications on again."""
    channel = courier.open_channel(services, "webpush")
    if not isinstance(channel, Offered):
        return 0
    addresses = []
    for person in _with_the_app(plan):
        asked = {"who": _called(person), "key": channel.application_server_key}
        said = (await services.net.post(f"{push}/sim/subscribe", json=asked)).raise_for_status().json()
        addresses.append((person.id, channel.address_of(said).value))

    def bind(tx: Tx) -> None:
        for resident, address in addresses:
            audience.bind(tx, resident, "webpush", address)

    await services.store.write(bind)
    return len(addresses)


@asynccontextmanager
async def loudspeaker(services: Services, plan: DemoPlan, address: Address, origin: str) -> AsyncIterator[str]:
    """A loudspeaker on the pole of the first community; yields the page where one can listen to it."""
    area, host = plan.communities[0].code, urlsplit(origin).hostname or "127.0.0.1"
    password = await services.store.write(lambda tx: registry.grant_credential(tx, SPEAKER, "speaker", area))
    await services.registry.load()
    key = BoardKey.open(services.data)
    config = SpeakerSim(
        address, SPEAKER, password, area, origin, services.data / "loudspeaker", {key.id: key.public},
        voice=(sys.executable, "-I", str(Path(channels.__file__).with_name("loudspeaker_voice.py")), "cmn"),
    )  # fmt: skip
    async with speaker_running(config, host) as (url, _speaker):
        yield url


@asynccontextmanager
async def grid_worker(services: Services, plan: DemoPlan, origin: str, speed: float) -> AsyncIterator[str]:
    """Whoever walks the first community's first grid does so by themselves; yields the address of their knobs."""
    member = next(each for each in plan.communities[0].staff if each.role == "grid_worker")

    async def address() -> str:
        code = await services.store.write(lambda tx: login.issue_code(tx, "staff", "staff", member.id))
        return f"{origin}/login?code={code}"

    worker = GridWorker(await address(), name=member.id, seed=plan.seed, pace=WALKING_PACE * speed, again=address)
    async with walker_running(worker, urlsplit(origin).hostname or "127.0.0.1") as url:
        walking = asyncio.create_task(worker.keep_walking(), name=member.id)
        try:
            yield url
        finally:
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)
            await worker.close()


@asynccontextmanager
async def weather(services: Services, plan: DemoPlan, origin: str, speed: float) -> AsyncIterator[str]:
    """The district's weather office, which may warn and nothing else; yields the page of what it said."""
    code = f"{plan.communities[0].code[:6]}000000"
    district = next(area for area in plan.areas if area.code == code)
    token = await services.store.write(lambda tx: login.create_token(tx, "department", code))
    office = Office(
        sender=f"weather.{code[:6]}.example", name=f"{district.zh}气象台", name_en=f"{district.en} weather office",
        area=code, area_words=district.zh, seed=plan.seed,
    )  # fmt: skip
    # Its dice begin anew at each start, and what was said yesterday has another day in its name.
    config = WeatherSim(office, f"{origin}/cap", token, every_s=WEATHER_EVERY_S / speed)
    async with weather_running(config, urlsplit(origin).hostname or "127.0.0.1") as url:
        yield url


def _with_the_app(plan: DemoPlan) -> list[PersonPlan]:
    """The cast first: the stage's elder and volunteer have their phone at hand."""
    cast = (plan.cast.elder, plan.cast.volunteer)
    have = [one for one in plan.communities[0].people if one.app or one.id in cast]
    return sorted(have, key=lambda one: one.id not in cast)[:PHONES]


def _called(person: PersonPlan) -> str:
    return f"{person.name[:1]}** {person.id}"


def _wechat_account(plan: DemoPlan, origin: str) -> WechatSim:
    followers = tuple(person.openid for one in plan.communities for person in one.people if person.openid)
    rng = wiring.REAL.rng
    return WechatSim(
        appid="wx" + secret(rng)[:16],
        secret=secret(rng)[:32],
        token=secret(rng)[:24],
        callback_url=f"{origin}/wechat",
        followers=followers,
    )


def _sms_account(origin: str) -> SmsSim:
    return SmsSim(
        access_id="linli-demo",
        secret=secret(wiring.REAL.rng)[:40],
        sign=SMS_SIGN,
        templates=approved_texts(SMS_CONTACT),
        callback_url=f"{origin}/callback/sms",
    )
