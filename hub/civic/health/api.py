"""Readings and alerts as JSON: what `visible_to` lets one see, newest first, page by page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import or_, select
from sqlmodel import col

from hub import derived, readings, sightings
from hub.access import Subject, needs, signed_in
from hub.civic.health.desk import PERMISSION
from hub.civic.health.models import HealthAlert
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Refused
from hub.i18n import _
from hub.page import actor, services
from hub.readings import Reading

PAGE = 50
Reader = Annotated[Subject, signed_in("resident", "staff", "token")]
Caller = Annotated[Subject, needs(PERMISSION)]


def router() -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["health"])

    @routes.get("/readings")
    async def list_readings(
        request: Request,
        who: Reader,
        kind: Annotated[str | None, Query(max_length=16)] = None,
        limit: Annotated[int, Query(ge=1, le=readings.PAGE_MAX)] = PAGE,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, Any]:
        """One's own; a doctor's, of residents who agreed, which leaves a line; an operator's without values."""
        if who.kind == "resident":
            return await services(request).store.read(lambda read: page_of_readings(read, who, kind, limit, after))
        return await services(request).store.write(
            lambda tx: _seen_page(tx, who, kind, limit, after), actor(request), can_wait=True
        )

    @routes.get("/alerts")
    async def list_alerts(
        request: Request,
        who: Caller,
        state: Annotated[str, Query(pattern="^(open|done)$")] = "open",
        limit: Annotated[int, Query(ge=1, le=readings.PAGE_MAX)] = PAGE,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, Any]:
        """Urgent values and calls from the huts. No value, no person."""
        return await services(request).store.read(lambda read: page_of_alerts(read, who, state, limit, after))

    return routes


def _seen_page(tx: Tx, who: Subject, kind: str | None, limit: int, after: str | None) -> dict[str, Any]:
    rows, with_values = _rows(tx, who, kind, limit, after)
    if with_values:
        sightings.leave(tx, who, rows[:limit], "api")
    return _page(tx, rows, limit, with_values)


def page_of_readings(read: Read, who: Subject, kind: str | None, limit: int, after: str | None) -> dict[str, Any]:
    rows, with_values = _rows(read, who, kind, limit, after)
    return _page(read, rows, limit, with_values)


def _rows(read: Read, who: Subject, kind: str | None, limit: int, after: str | None) -> tuple[list[Reading], bool]:
    """One row more than asked for, if there is one, and whether their values may be seen."""
    visible, with_values = readings.visible_to(who)
    rule = select(Reading).where(visible)
    if kind is not None:
        rule = rule.where(col(Reading.kind) == kind)
    if after is not None:
        at_ms, ident = _cursor(after)
        at = col(Reading.t_effective_ms)
        older = (at < at_ms) | ((at == at_ms) & (col(Reading.id) < ident))
        rule = rule.where(older)
    rule = rule.order_by(col(Reading.t_effective_ms).desc(), col(Reading.id).desc()).limit(limit + 1)
    return list(read.session.execute(rule).scalars()), with_values


def _page(read: Read, rows: list[Reading], limit: int, with_values: bool) -> dict[str, Any]:
    more = rows[limit - 1] if len(rows) > limit else None
    return {
        "items": [_reading_json(read, row, with_values) for row in rows[:limit]],
        "after": f"{more.t_effective_ms}.{more.id}" if more else None,
    }


def _reading_json(read: Read, row: Reading, with_values: bool) -> dict[str, Any]:
    made = derived.bmi(read, row, readings.values(read, row)) if with_values else None
    if made is None:
        return readings.as_json(read, row, with_values=with_values)
    own = {
        "code": made.value.code,
        "value": made.value.text,
        "unit": made.value.unit,
        "derived": True,
        "readings": list(made.readings),
        "mismatch": made.mismatch,
    }
    return {**readings.as_json(read, row, with_values=with_values), "derived": [own]}


def page_of_alerts(read: Read, who: Subject, state: str, limit: int, after: str | None) -> dict[str, Any]:
    rule = select(HealthAlert).where(col(HealthAlert.state) == state)
    rule = rule.join(Area, col(Area.code) == col(HealthAlert.area))
    paths = who.paths(PERMISSION)
    if "" not in paths:
        inside = [col(Area.path) == path for path in paths] + [col(Area.path).startswith(path + "/") for path in paths]
        rule = rule.where(or_(*inside))
    if after is not None:
        rule = rule.where(col(HealthAlert.id) < after)
    rows = list(read.session.execute(rule.order_by(col(HealthAlert.id).desc()).limit(limit + 1)).scalars())
    return {
        "items": [_alert_json(row) for row in rows[:limit]],
        "after": rows[limit - 1].id if len(rows) > limit else None,
    }


def _alert_json(row: HealthAlert) -> dict[str, Any]:
    return {
        "id": row.id,
        "level": row.level,
        "rule": f"{row.ruleset}@{row.version}" if row.ruleset else row.rule,
        "measure": row.rule,
        "hut": row.hut,
        "area": row.area,
        "reading": row.reading,
        "confirmed_by": row.confirmed_by,
        "state": row.state,
        "raised": row.raised.isoformat(),
        "due": row.due.isoformat() if row.due else None,
        "told_doctor": row.told_doctor,
    }


def _cursor(text: str) -> tuple[int, str]:
    at_ms, _dot, ident = text.partition(".")
    if not at_ms.isdigit() or not ident:
        raise Refused(_("The cursor is not one this list gave out; start again without it"))
    return int(at_ms), ident
