"""Put the hub together: ports, store, slices, front door, web, jobs. Nothing here decides anything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy.exc import DBAPIError

from devices.vendor import all_vendors
from hub import migrations, preferences
from hub.access import Permissions
from hub.bus import Bus
from hub.clock import Clock, SystemClock
from hub.db import Store
from hub.disk import DAMAGED, why
from hub.errors import Refused
from hub.feed import Feed
from hub.ingest import Ingest
from hub.keyfile import kept
from hub.module import Module, discover
from hub.registry import Registry
from hub.reserve import Reserve
from hub.rng import Rng, SystemRng
from hub.seal import Seal
from hub.services import Services
from hub.settings import Settings, SettingsError
from hub.soundness import Damaged
from web.render import make_render


@dataclass(frozen=True)
class Ports:
    """Time and chance; the tests hand in their own."""

    clock: Clock
    rng: Rng


REAL = Ports(SystemClock(), SystemRng())


def open_store(settings: Settings, ports: Ports = REAL, bus: Bus | None = None) -> Store:
    """The store of a data folder at the newest version; made when it is new."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    seal = Seal.open(settings.keys)
    store = Store(settings.database, seal=seal, clock=ports.clock, rng=ports.rng, bus=bus)
    try:
        migrations.upgrade(store)
    except DBAPIError as error:
        store.close()
        if why(error) is DAMAGED:
            raise Damaged(Path(store.url.database or "")) from error
        raise
    return store


def modules_for(*, demo: bool) -> tuple[Module, ...]:
    return tuple(module for module in discover() if demo or not module.demo_only)


def wired_bus(modules: tuple[Module, ...]) -> Bus:
    bus = Bus()
    for module in modules:
        for kind, listener in module.listeners:
            bus.on(kind, listener)
    return bus


def services(
    settings: Settings, *, demo: bool = False, stage: bool = True, ports: Ports = REAL, store: Store | None = None
) -> Services:
    """Everything a page, a listener or a job is handed, wired and ready; nothing runs yet."""
    modules = modules_for(demo=demo and stage)
    if store is None:
        store = open_store(settings, ports, wired_bus(modules))
    if store.dialect == "sqlite":
        store.reserve = Reserve(Path(settings.data_dir), settings.reserve_bytes, ports.clock)
    render = make_render(modules, settings.state_dir)
    feed = Feed(store, [topic for module in modules for topic in module.topics], render, ports.clock)
    store.bus.observe(feed.committed)
    registry = Registry(store, ports.clock)
    ingest = Ingest(
        store,
        registry,
        ports.clock,
        ports.rng,
        queue_frames_max=settings.ingest_queue_frames_max,
        batch_frames_max=settings.ingest_batch_frames_max,
    )
    for module in modules:
        for glimpse in module.glimpses:
            ingest.glimpses.append(partial(glimpse, feed))
    return Services(
        store=store,
        feed=feed,
        registry=registry,
        ingest=ingest,
        clock=ports.clock,
        rng=ports.rng,
        net=httpx.AsyncClient(timeout=settings.channel_timeout_s, follow_redirects=False, trust_env=False),
        permissions=Permissions(module.permissions or {} for module in modules),
        modules=modules,
        render=render,
        data=Path(settings.data_dir),
        config={**config(settings), "webpush.key": webpush_key(settings, ports)},
        demo=demo,
    )


def config(settings: Settings) -> dict[str, str]:
    """What slices and channels may know of the settings, as text by dotted name."""
    return {
        "web.public_url": settings.public_url,
        "web.hosts": settings.http_host,
        "public_url": settings.public_url or f"http://{settings.http_host}:{settings.http_port}",
        "state_dir": str(settings.state_dir),
        "home_assistant": "1" if settings.home_assistant else "",
        "peer_drift": "1" if settings.peer_drift else "",
        "raw_days": str(settings.raw_days),
        "kiosk_idle_s": str(settings.kiosk_idle_s),
        "kiosk_warning_s": str(settings.kiosk_warning_s),
        "health.answer_min": str(settings.health_answer_min),
        "outbox.lease_s": str(settings.outbox_lease_s),
        "quiet.hours": quiet_hours(settings),
        "quota.reserve_percent": str(settings.quota_reserve_percent),
        "quota.wechat.messages": str(settings.wechat_per_day),
        "quota.sms.messages": str(settings.sms_per_day),
        "quota.sms.fen": str(settings.sms_fen_per_day),
        "wechat.api_base": settings.wechat_url,
        "wechat.appid": settings.wechat_app_id,
        "wechat.secret": str(settings.wechat_secret),
        "wechat.token": str(settings.wechat_token),
        "wechat.aes_key": str(settings.wechat_aes_key),
        "wechat.template_id": settings.wechat_template_id,
        "wechat.template_fields": settings.wechat_template_fields,
        "sms.url": settings.sms_url,
        "sms.access_id": settings.sms_access_id,
        "sms.secret": str(settings.sms_secret),
        "sms.sign": settings.sms_sign,
        "sms.contact": settings.sms_contact,
        "sms.fen_per_part": str(settings.sms_fen_per_part),
        "sms.templates": settings.sms_templates,
        "webpush.subject": settings.webpush_subject,
        "webpush.services": settings.webpush_services,
        "webhook.allow": settings.webhook_allow,
        "tv.crawl": "1" if settings.tv_crawl else "",
        **hook_secrets(settings),
    }


def hook_secrets(settings: Settings) -> dict[str, str]:
    """`hooks.<vendor>.secret` of each vendor that may call us."""
    found = {}
    for word in str(settings.hook_secrets).split():
        name, _, secret = word.partition("=")
        vendor = all_vendors().get(name)
        if vendor is None or vendor.hook is None or not secret:
            calling = ", ".join(each.id for each in all_vendors().values() if each.hook is not None)
            raise SettingsError(f"hook_secrets must be NAME=SECRET by blanks, NAME one of {calling}")
        found[f"hooks.{name}.secret"] = secret
    return found


def quiet_hours(settings: Settings) -> str:
    """Checked at the start: a slip of the pen must not be found in the night."""
    try:
        night = preferences.curfew({"quiet.hours": settings.quiet_hours})
    except Refused as error:
        raise SettingsError(f"quiet_hours must look like 21:30-07:30, not {settings.quiet_hours!r}") from error
    if night is None and settings.quiet_hours:
        raise SettingsError(f"quiet_hours must look like 21:30-07:30, not {settings.quiet_hours!r}")
    return settings.quiet_hours


def webpush_key(settings: Settings, ports: Ports) -> str:
    """Ours to the push services: another one would end every phone's subscription, so it is kept with the data."""
    if settings.webpush_key or not settings.webpush_subject:
        return str(settings.webpush_key)
    return kept(Path(settings.data_dir) / "keys" / "webpush.key", lambda: ports.rng.token(32)).hex()
