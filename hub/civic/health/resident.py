"""A resident's own readings: the card on the home page and the page behind it. Nobody else's, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BeforeValidator

from hub import directory, readings, registry
from hub.access import Subject, signed_in
from hub.civic.health import bands, consents, figures, trend
from hub.civic.health.figures import Shown
from hub.db import Read
from hub.i18n import pick
from hub.page import page, page_live, services

Owner = Annotated[Subject, signed_in("resident")]
LIST_MAX = 60  # about two months of an eager measurer; older ones come by the API
ADVISED_FOR = timedelta(days=1)  # "rest, then measure again" is said to who measured today, never about last month


def may_watch(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.id == key


def home(read: Read, key: str) -> Mapping[str, Any]:
    """The last blood pressure that worked, and two weeks before it."""
    rows = (figures.shown(read, row) for row in readings.of_person(read, key, "bp", limit=5))
    last = next((row for row in rows if not row.failure), None)
    return {
        "last": last,
        "advised": _advised(read, [last] if last else []),
        "trend": trend.of_kind(read, key, "bp"),
        "tz": _zone(read, key),
    }


def every(read: Read, key: str) -> Mapping[str, Any]:
    rows = [figures.shown(read, row) for row in readings.of_person(read, key, limit=LIST_MAX)]
    return {
        "rows": rows,
        "advised": _advised(read, rows),
        "made_with": _made_with(read, rows),
        "trends": trend.of_person(read, key),
        "periods": trend.PERIODS[1:],
        "tz": _zone(read, key),
    }


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health")
    async def my_health(request: Request, who: Owner) -> Response:
        topics = [f"{bands.LIST_TOPIC}:{who.id}", f"{consents.TOPIC}:{who.id}"]
        return await page_live(request, "health/me.html", topics, erased="erased" in request.query_params)

    @routes.get("/me/health/trends")
    async def trends(
        request: Request, who: Owner, days: Annotated[Literal[14, 90, 365], BeforeValidator(int)] = 90
    ) -> Response:
        drawn = await services(request).store.read(lambda read: trend.of_person(read, who.id, days))
        return page(request, "health/trends.html", active="/me/health", trends=drawn, days=days, periods=trend.PERIODS)

    return routes


def _advised(read: Read, rows: Sequence[Shown]) -> dict[str, str]:
    """Reading -> until when its advice stands: the newest of each kind, for a day. The page takes it away by itself."""
    newest: dict[str, Shown] = {}
    for row in rows:
        newest.setdefault(row.kind, row)
    ends = {row.id: row.at + ADVISED_FOR for row in newest.values()}
    return {ident: end.isoformat() for ident, end in ends.items() if end > read.now()}


def _made_with(read: Read, rows: Sequence[Shown]) -> dict[str, str]:
    """Device -> its name and its hut's, as a neighbour knows them; what is gone from the registry has none."""
    names = {}
    for ident in {row.device for row in rows}:
        device = read.session.get(registry.Device, ident)
        hut = read.session.get(registry.Hut, device.hut) if device is not None and device.hut else None
        parts = [pick(each.zh, each.en) for each in (hut, device) if each is not None]
        names[ident] = " · ".join(parts)
    return names


def _zone(read: Read, resident: str) -> str:
    return directory.area(read, directory.resident(read, resident).area).tz
