"""The demo's huts and their 21 devices (domain.md 7): always one offline, one due for calibration, one out of paper."""

from __future__ import annotations

from simulators.places import LIUHE, TAYING, VILLAGE
from simulators.plan import DevicePlan, HutPlan

_TITLES = {
    "kiosk": ("自助终端", "Kiosk"),
    "bp": ("血压计", "Blood pressure monitor"),
    "spo2": ("血氧仪", "Oximeter"),
    "temp": ("体温计", "Thermometer"),
    "height_weight": ("身高体重仪", "Height and weight scale"),
    "body": ("体成分仪", "Body composition scale"),
    "glucose": ("血糖仪（工作人员）", "Glucose meter (staff)"),
}
# Profile and wire format of the demo's models. A kiosk stands on the floor and sends no readings.
MODELS = {
    "bp": ("omron-hem9200t", "sig.2a35"),
    "spo2": ("nonin-3230", "sig.2a5e"),
    "temp": ("and-ut201ble", "sig.2a1c"),
    "glucose": ("contour-next-one", "sig.2a18"),
    "height_weight": ("generic.sig.2a9d", "sig.2a9d"),
    "body": ("generic.sig.2a9c", "sig.2a9c"),
}
# What no hut of the demo has and a simulated one may have: a serial module, a cuff that speaks JSON, an ECG, the air.
MORE = {
    "module": ("generic.bcm-h10", "bcm-h10"),
    "json": ("generic.json.map", "json.map"),
    "ecg": ("generic.linli.ecg", "linli.ecg"),
    "env": ("generic.senml", "senml"),
}
CLOCKLESS = ("spo2", "module")  # the Nonin has none, nor has the serial module


def _device(hut: str, kind: str, number: int, condition: str = "ok") -> DevicePlan:
    short = hut.replace("-hut-", "")  # lh-hut-1 -> lh1: device ids are unique over the whole hub
    profile, codec = MODELS.get(kind, (None, None))
    zh, en = _TITLES[kind]
    suffix = f" {number}" if number > 1 else ""
    return DevicePlan(
        id=f"{short}-{kind.replace('_', '-')}-{number}",
        gateway=hut,
        kind=kind,
        profile=profile,
        serial=f"DEMO-{short}-{kind.replace('_', '-')}-{number}".upper(),
        zh=zh + suffix,
        en=en + suffix,
        condition=condition,
        staff_only=kind == "glucose",
        codec=codec,
        clock=kind not in CLOCKLESS,
    )


def _hut(id: str, area: str, zh: str, en: str, *kinds: tuple[str, int, str]) -> HutPlan:
    return HutPlan(id, area, id, zh, en, tuple(_device(id, kind, number, state) for kind, number, state in kinds))


HUTS = (
    _hut(
        "lh-hut-1", LIUHE, "社区服务中心健康小屋", "Service centre hut",
        ("kiosk", 1, "ok"), ("bp", 1, "ok"), ("bp", 2, "calibration_due"), ("height_weight", 1, "ok"),
        ("body", 1, "ok"), ("spo2", 1, "ok"), ("temp", 1, "ok"), ("glucose", 1, "ok"),
    ),
    _hut(
        "lh-hut-2", LIUHE, "老年活动室健康小屋", "Seniors' room hut",
        ("kiosk", 1, "out_of_paper"), ("bp", 1, "ok"), ("spo2", 1, "offline"), ("temp", 1, "ok"),
    ),
    _hut(
        "ty-hut-1", TAYING, "塔影社区健康小屋", "Taying hut",
        ("kiosk", 1, "ok"), ("bp", 1, "ok"), ("spo2", 1, "ok"), ("temp", 1, "ok"), ("height_weight", 1, "ok"),
        ("glucose", 1, "ok"),
    ),
    _hut(
        "sf-hut-1", VILLAGE, "村卫生室健康小屋", "Village clinic hut",
        ("bp", 1, "ok"), ("spo2", 1, "ok"), ("temp", 1, "ok"),
    ),
)  # fmt: skip

# Stands in the first hut beside its own gateway, so that a frame sent by hand shows on that hut's kiosk.
FREE_HAND = HutPlan(
    "lh-hut-1", LIUHE, "free-hand", "手工测试网关", "Free-hand gateway",
    tuple(
        DevicePlan(f"free-{kind}-1", "free-hand", kind, f"generic.{codec}", f"DEMO-FREE-{kind}-1".upper(),
                   f"手工{_TITLES[kind][0]}", f"Free-hand {_TITLES[kind][1].lower()}", codec=codec)
        for kind, (_profile, codec) in MODELS.items()
        if kind in ("bp", "spo2", "temp")
    ),
)  # fmt: skip


def huts_of(area: str) -> tuple[HutPlan, ...]:
    return tuple(hut for hut in HUTS if hut.area == area)
