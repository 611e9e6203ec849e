"""A resident's own readings: the card on the home page and the page behind it. Nobody else's, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub import directory, readings
from hub.access import Subject, signed_in
from hub.civic.health import bands, figures, trend
from hub.db import Read
from hub.page import page_live

LIST_MAX = 60  # about two months of an eager measurer; older ones come by the API


def may_watch(subject: Subject, key: str) -> bool:
    return subject.kind == "resident" and subject.id == key


def home(read: Read, key: str) -> Mapping[str, Any]:
    """The last blood pressure that worked, and two weeks before it."""
    rows = (figures.shown(read, row) for row in readings.of_person(read, key, "bp", limit=5))
    return {
        "last": next((row for row in rows if not row.failure), None),
        "trend": trend.of_person(read, key),
        "tz": _zone(read, key),
    }


def every(read: Read, key: str) -> Mapping[str, Any]:
    return {
        "rows": [figures.shown(read, row) for row in readings.of_person(read, key, limit=LIST_MAX)],
        "trend": trend.of_person(read, key),
        "tz": _zone(read, key),
    }


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health")
    async def my_health(request: Request, who: Annotated[Subject, signed_in("resident")]) -> Response:
        return await page_live(request, "health/me.html", [f"{bands.LIST_TOPIC}:{who.id}"])

    return routes


def _zone(read: Read, resident: str) -> str:
    return directory.area(read, directory.resident(read, resident).area).tz
