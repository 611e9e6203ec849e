"""The pages of certificates: one's own, the desk's for whoever has no phone, and the one where a stranger checks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory, qr
from hub.access import needs, public, signed_in, subject
from hub.civic.points import account_pages, certificates
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.page import acted, actor, page, public_base, see_other, services

Kind = Annotated[str, Form(max_length=16)]
router = APIRouter(include_in_schema=False)
OWN = signed_in("resident")
ANYBODY = public("whoever is shown a certificate may check its number; the name is masked")


@router.get("/me/points/certificate", dependencies=[OWN])
async def mine(request: Request) -> HTMLResponse:
    return await _mine(request)


@router.post("/me/points/certificate", dependencies=[OWN])
async def issue(request: Request, kind: Kind) -> Response:
    person = subject(request).person or ""
    return await acted(
        request, lambda tx: certificates.issue(tx, person, kind, person),
        lambda made: f"/me/points/certificates/{made.id}", lambda wrong, status: _mine(request, wrong, status),
    )  # fmt: skip


@router.get("/me/points/certificates/{ident}", dependencies=[OWN])
async def paper(request: Request, ident: str) -> HTMLResponse:
    person = subject(request).person

    def look(read: Read) -> dict[str, Any]:
        found = certificates.one(read, ident)
        if found.resident != person:
            raise NotFound(_("There is no such certificate"))
        return certificates.shown(read, found, whole=True)

    return await _paper(request, look, "/me/points/certificate")


@router.post("/desk/points/accounts/{account}/certificate", dependencies=[needs("points.declare")])
async def at_desk(request: Request, account: str, kind: Kind) -> Response:
    who = subject(request)

    def work(tx: Tx) -> str:
        owner = account_pages.owner_of(tx, who, account)
        if owner.kind != "person":
            raise NotFound(_("There is no such account"))
        return certificates.issue(tx, owner.id, kind, who.id).id

    made = await services(request).store.write(work, actor(request))
    return see_other(f"/desk/points/certificates/{made}")


@router.get("/desk/points/certificates/{ident}", dependencies=[needs("points.read")])
async def desk_paper(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = certificates.one(read, ident)
        if not who.may("points.read", directory.area(read, found.area).path):
            raise NotFound(_("There is no such certificate"))
        return certificates.shown(read, found, whole=True)

    return await _paper(request, look, "/desk/points/accounts")


@router.get("/certificates", dependencies=[ANYBODY])
async def ask(request: Request) -> HTMLResponse:
    return page(request, "points/certificate_check.html", number="", found=None)


@router.post("/certificates", dependencies=[ANYBODY])
async def typed(request: Request, number: Annotated[str, Form(max_length=40)]) -> HTMLResponse:
    return await _check(request, number)


@router.get("/certificates/{number}", dependencies=[ANYBODY])
async def check(request: Request, number: str) -> HTMLResponse:
    return await _check(request, number[:40])


async def _check(request: Request, number: str) -> HTMLResponse:
    def look(read: Read) -> dict[str, Any] | None:
        found = certificates.by_number(read, number)
        return certificates.shown(read, found, whole=False) if found is not None else None

    found = await services(request).store.read(look)
    drawn = page(request, "points/certificate_check.html", 200 if found else 404, number=number, found=found)
    drawn.headers["X-Robots-Tag"] = "noindex"
    return drawn


async def _mine(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    person = subject(request).person or ""

    def look(read: Read) -> dict[str, Any]:
        found = certificates.of_person(read, person)
        tz = directory.area(read, directory.resident(read, person).area).tz
        return {
            "now": certificates.standing(read, person), "tz": tz,
            "rows": [certificates.shown(read, each, whole=True) for each in found],
        }  # fmt: skip

    return page(request, "points/certificates.html", status, wrong=wrong, **await services(request).store.read(look))


async def _paper(request: Request, look: Any, back: str) -> HTMLResponse:
    seen = await services(request).store.read(look)
    link = f"{public_base(request)}/certificates/{seen['certificate'].code}"
    return page(request, "points/certificate.html", qr=qr.svg(link), link=link, back=back, **seen)
