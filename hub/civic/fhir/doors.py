"""The routes below `/fhir/R4`: read and search, errors as OperationOutcome, a line for each look at others' values."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from hub import fhir, sightings
from hub.access import Subject, public, signed_in
from hub.civic.fhir import shelf, statement
from hub.civic.fhir.search import NotUnderstood, question
from hub.db import Read, Tx
from hub.errors import LinliError, NotFound
from hub.fhir import MEDIA_TYPE, Json
from hub.i18n import _
from hub.page import actor, services

BASE = "/fhir/R4"
# FHIR's own words for what went wrong.
_ISSUES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    410: "deleted",
    422: "invalid",
}
Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class FhirRoute(APIRoute):
    """Whatever refuses a request here refuses in FHIR's form."""

    def get_route_handler(self) -> Answer:
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await inner(request)
            except LinliError as error:
                return _refused(error.status, error.sentence)
            except RequestValidationError:
                return _refused(400, _("The request cannot be read"))

        return answer


router = APIRouter(prefix=BASE, include_in_schema=False, route_class=FhirRoute)
Caller = Annotated[Subject, signed_in("resident", "staff", "token")]


@router.get("/metadata", dependencies=[public("what a server can do is no secret")])
async def metadata(request: Request) -> Response:
    return _given(statement.capability(services(request).clock.now(), _base(request)))


@router.get("/Observation")
async def search(request: Request, who: Caller) -> Response:
    asked = question(request.query_params.multi_items(), ZoneInfo(shelf.ZONE))
    meals = _meals(request)
    found = await _look(request, who, lambda read: shelf.observations(read, who, asked, meals))
    given = [(name, text) for name, text in request.query_params.multi_items() if name != "_cursor"]
    here = f"{_base(request)}/Observation"
    links = {"self": _link(here, given, str(asked.cursor) if asked.cursor else "")}
    if found.after is not None:
        links["next"] = _link(here, given, str(found.after))
    return _given(fhir.bundle("searchset", found.entries, _base(request), links))


@router.get("/Observation/{ident}")
async def observation(request: Request, ident: str, who: Caller) -> Response:
    meals = _meals(request)
    found = await _look(request, who, lambda read: _single(read, who, ident, meals))
    return _given(found.entries[0])


@router.get("/Device")
async def devices(request: Request, who: Caller) -> Response:
    return await _list(request, lambda read: shelf.devices(read, who), ("_id",))


@router.get("/Device/{ident}")
async def device(request: Request, ident: str, who: Caller) -> Response:
    return await _one(request, lambda read: shelf.devices(read, who), ident)


@router.get("/DeviceMetric")
async def metrics(request: Request, who: Caller) -> Response:
    return await _list(request, lambda read: shelf.metrics(read, who), ("_id", "source"))


@router.get("/DeviceMetric/{ident}")
async def metric(request: Request, ident: str, who: Caller) -> Response:
    return await _one(request, lambda read: shelf.metrics(read, who), ident)


@router.get("/{rest:path}")
async def unknown(rest: str, who: Caller) -> Response:
    return _refused(404, _("This server knows Observation, Device and DeviceMetric"))


def _meals(request: Request) -> shelf.Meals | None:
    """Another slice keeps what people said of their meals; whichever it is, this one only asks."""
    return next((each.meal for each in services(request).modules if each.meal is not None), None)


def _single(read: Read, who: Subject, ident: str, meals: shelf.Meals | None) -> shelf.Page:
    entry, row = shelf.observation(read, who, ident, meals)
    return shelf.Page((entry,), (row,), None)


async def _look(request: Request, who: Subject, look: Callable[[Read], shelf.Page]) -> shelf.Page:
    """One's own is only read; another's values leave a line in the same transaction that opens them."""
    store = services(request).store
    if who.kind == "resident":
        return await store.read(look)

    def seen(tx: Tx) -> shelf.Page:
        found = look(tx)
        sightings.leave(tx, who, found.rows, "fhir")
        return found

    return await store.write(seen, actor(request), can_wait=True)


async def _list(request: Request, look: Callable[[Read], list[Json]], names: tuple[str, ...]) -> Response:
    given = dict(request.query_params.items())
    given.pop("_format", None)
    if unknown := set(given) - set(names):
        raise NotUnderstood(_("The search parameter {name} is not supported").format(name=sorted(unknown)[0][:40]))
    entries = await services(request).store.read(look)
    if "_id" in given:
        entries = [each for each in entries if each["id"] in given["_id"].split(",")]
    if "source" in given:
        source = f"Device/{given['source'].removeprefix('Device/')}"
        entries = [each for each in entries if each["source"]["reference"] == source]
    return _given(fhir.bundle("searchset", entries, _base(request), {"self": str(request.url.replace(fragment=""))}))


async def _one(request: Request, look: Callable[[Read], list[Json]], ident: str) -> Response:
    for each in await services(request).store.read(look):
        if each["id"] == ident:
            return _given(each)
    raise NotFound(_("There is no such resource, or it is not yours to see"))


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{BASE}"


def _link(here: str, given: list[tuple[str, str]], cursor: str) -> str:
    return f"{here}?{urlencode([*given, *([('_cursor', cursor)] if cursor else [])])}".rstrip("?")


def _given(resource: Json) -> Response:
    return Response(fhir.encode(resource), media_type=MEDIA_TYPE)


def _refused(status: int, sentence: str) -> Response:
    code = _ISSUES.get(status, "processing")
    return Response(fhir.encode(fhir.outcome(code, sentence)), status, media_type=MEDIA_TYPE)
