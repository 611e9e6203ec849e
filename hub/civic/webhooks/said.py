"""An event in a person's words, for staff who are told of it in their group chat; no name of a resident is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select
from sqlmodel import col

from channels.base import Message, Priority
from hub.civic.webhooks.kinds import BY_ID
from hub.db import Read
from hub.directory import Area
from hub.i18n import N_, translate

LANG = "zh"  # a group chat of the community's own people
_WHERE = {
    "notice": "/desk/notices/{}",
    "task": "/desk/answers/{}",
    "activity": "/desk/activities/{}",
    "year": "/desk/budget?year={}",
}
_PRIORITIES = ("routine", "important", "urgent", "emergency", "drill")


def message_of(read: Read, kind: str, body: bytes, base: str) -> Message:
    """`base` is the hub's own address, for the link."""
    event: dict[str, Any] = json.loads(body)
    data: Mapping[str, Any] = event["data"]
    codes = data.get("areas") or [data.get("area", "")]
    areas = list(read.session.execute(select(Area).where(col(Area.code).in_(codes)).order_by(col(Area.path))).scalars())
    names = "、".join(area.zh for area in areas)
    path = next((where.format(data[name]) for name, where in _WHERE.items() if data.get(name)), "")
    # What is told by its number elsewhere (a device, a gateway) is named; where a page says it all, the link does.
    named = [f"{name}: {data[name]}" for name in ("gateway", "device", "speaker", "state", "how") if data.get(name)]
    if "percent" in data:
        named.append(
            translate(N_("{percent} % of this year's points money is used"), LANG).format(percent=data["percent"])
        )
    priority = data.get("priority", "routine")
    return Message(
        notice_id=event["id"], revision=1,
        priority=cast(Priority, priority if priority in _PRIORITIES else "routine"), kind=kind,
        title=translate(BY_ID[kind].title, LANG) if kind in BY_ID else kind, text="\n".join([names, *named]).strip(),
        area_name=names, issuer="", sent_at=datetime.fromisoformat(event["time"]), expires=None,
        url=f"{base}{path}" if path and base else "", lang=LANG, zone=areas[0].tz if areas else "Asia/Shanghai",
    )  # fmt: skip
