"""A small town for a night: two communities, three huts, six people with addresses, a desk. Built once, then copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from hub import audience, directory, migrations, registry
from hub.clock import ManualClock
from hub.db import Store, Tx
from hub.directory import NewHousehold, NewResident
from hub.main.wiring import modules_for, wired_bus
from hub.rng import SeededRng
from hub.seal import Seal
from simulators.plan import DevicePlan

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # 10:00 in Jingmen: no quiet hours hold a message back
KEY = bytes(range(64))  # nothing here is anybody's
CITY, DISTRICT, STREET, LIUHE, TAYING = "420800000000", "420802000000", "420802002000", "420802002001", "420802002002"
COMMUNITIES = (LIUHE, TAYING)
CHANNELS = ("wechat", "phone", "post")
PEOPLE = {"r-an": LIUHE, "r-bai": LIUHE, "r-cao": LIUHE, "r-deng": LIUHE, "r-fan": TAYING, "r-gu": TAYING}
_PROFILES = (("bp", "generic.sig.2a35", "sig.2a35", True), ("spo2", "generic.sig.2a5e", "sig.2a5e", False))


@dataclass(frozen=True, slots=True)
class Town:
    """Where its store lies, and the words that open its doors."""

    store: Path
    passwords: dict[str, str]

    def copy(self, folder: Path) -> Path:
        path = folder / "linli.db"
        shutil.copy(self.store, path)
        keys = folder / "keys"
        keys.mkdir(exist_ok=True)
        (keys / "board.key").write_bytes(bytes(range(32)))
        return path


def gateways() -> dict[str, str]:
    """Gateway -> area."""
    return {"g-1": LIUHE, "g-2": LIUHE, "g-3": TAYING}


def devices(gateway: str) -> list[DevicePlan]:
    return [
        DevicePlan(
            f"{gateway}-{kind}", gateway, kind, profile, f"{gateway}-{kind}", kind, kind, "ok", False, codec, clock
        )
        for kind, profile, codec, clock in _PROFILES
    ]


@cache
def town() -> Town:
    folder = Path(tempfile.mkdtemp(prefix="linli-night-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "linli.db"
    store = Store(
        f"sqlite:///{path}", seal=Seal(KEY), clock=ManualClock(START), rng=SeededRng("town"),
        bus=wired_bus(modules_for(demo=False)), inline=True,
    )  # fmt: skip
    migrations.upgrade(store)
    passwords = store.write_now(_furnish)
    store.close()
    return Town(path, passwords)


def _furnish(tx: Tx) -> dict[str, str]:
    for code, kind, zh, en, parent in (
        (CITY, "city", "荆门市", "Jingmen", None), (DISTRICT, "district", "东宝区", "Dongbao", CITY),
        (STREET, "street", "泉口街道", "Quankou", DISTRICT), (LIUHE, "community", "浏河社区", "Liuhe", STREET),
        (TAYING, "community", "塔影社区", "Taying", STREET),
    ):  # fmt: skip
        directory.found_area(tx, code, kind, zh, en, parent)
    for area in COMMUNITIES:
        directory.found_building(tx, f"b-{area}", area, "1栋", "Building 1", grid=1)
        here = [ident for ident, at in PEOPLE.items() if at == area]
        homes = [
            NewHousehold(f"h-{ident}", f"b-{area}", str(100 + number), (), (_resident(ident, number),))
            for number, ident in enumerate(here)
        ]
        directory.register_households(tx, area, homes)
    for ident, role, area in (("s-desk", "staff", CITY), ("s-head", "director", CITY)):
        directory.hire(tx, ident, "周文", f"p-{ident}", [(role, area)])
    for ident in PEOPLE:
        for channel in CHANNELS:
            audience.bind(tx, ident, channel, f"{channel}-{ident}")
    passwords = {}
    for gateway, area in gateways().items():
        registry.found_hut(tx, f"hut-{gateway}", area, "小屋", "Hut")
        passwords[gateway] = registry.add_gateway(tx, gateway, area, f"hut-{gateway}")
        for device in devices(gateway):
            registry.add_device(tx, device.id, gateway, device.profile, device.zh, device.en, kind=device.kind)
    for area in COMMUNITIES:
        passwords[f"screen-{area}"] = registry.grant_credential(tx, f"screen-{area}", "screen", area)
    return passwords


def _resident(ident: str, number: int) -> NewResident:
    return NewResident(ident, f"h-{ident}", "安宁", "f", date(1950 + number, 3, 5))
