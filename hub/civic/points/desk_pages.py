"""The desk's pages of claims: the queue, one claim with its signatures, declaring for somebody, reminders, answers."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import UploadFile

from hub import approval, directory
from hub.access import Subject, needs, subject
from hub.civic.points import (
    catalogue,
    claim_import,
    claim_rules,
    claims,
    counter,
    deductions,
    docket,
    docket_cards,
    ledger,
    photos,
    publicity,
    shelf,
)
from hub.civic.points.claim_models import Claim
from hub.civic.points.claim_pages import Text, choices, drafted, filled, read_photos, shown
from hub.civic.points.mall_pages import line
from hub.civic.points.models import Txn
from hub.db import Read, Tx
from hub.errors import LinliError, NotFound
from hub.i18n import _
from hub.page import acted, actor, page, page_live, see_other, services

router = APIRouter(include_in_schema=False)
STEPS = {"verify": claims.verify, "approve": claims.approve, "release": claims.release}


@router.get("/desk/points", dependencies=[needs("points.read")])
async def queue(request: Request) -> HTMLResponse:
    return await _queue(request)


@router.get("/desk/points/claims/new", dependencies=[needs("points.declare")])
async def blank(request: Request) -> HTMLResponse:
    return await _form(request, {})


@router.post("/desk/points/claims/new", dependencies=[needs("points.declare")])
async def declare(request: Request, item: Text) -> Response:
    """In somebody's name (代办), or the proposal of a deduction."""
    who, written = subject(request), await filled(request, item)
    owner = written["owner"].strip()
    try:
        pictures = await read_photos(request)

        def work(tx: Tx) -> Claim:
            return claims.declare(tx, who, drafted(written, *claim_import.meant(tx, who.area, owner)), pictures)

        made = await services(request).store.write(work, actor(request, on_behalf_of=owner[:64] or None))
    except LinliError as error:
        return await _form(request, written, error.sentence, error.status)
    return see_other(f"/desk/points/claims/{made.id}")


@router.post("/desk/points/reminders", dependencies=[needs("points.declare")])
async def remind(request: Request, owner: Text, item: Text) -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        kind, ident = claim_import.meant(tx, who.area, owner)
        today = tx.now().astimezone(ZoneInfo(docket_cards.ZONE)).date()
        deductions.remind(tx, who, kind, ident, catalogue.on(today).item(item))

    try:
        await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await _form(request, {"owner": owner}, error.sentence, error.status)
    return await _form(request, {"owner": owner}, said=_("The reminder has been sent and is on record"))


@router.get("/desk/points/import", dependencies=[needs("points.declare")])
async def import_form(request: Request) -> HTMLResponse:
    return _import(request)


@router.post("/desk/points/import/file", dependencies=[needs("points.declare")])
async def import_file(request: Request, way: Text = "dry") -> HTMLResponse:
    """A dry run says line by line what is wrong; the same file sent twice is taken once."""
    who = subject(request)
    given = (await request.form()).get("file")
    body = await given.read() if isinstance(given, UploadFile) else b""
    try:
        done = await services(request).store.write(
            lambda tx: claim_import.take(tx, who, who.area, body, dry=way != "take"), actor(request)
        )
    except claim_import.Undone as undone:
        return _import(request, undone.outcome, dry=True, status=422 if undone.outcome.problems else 200)
    except LinliError as error:
        return _import(request, wrong=error.sentence, status=error.status)
    return _import(request, done)


@router.get("/desk/points/claims/{ident}", dependencies=[needs("points.read")])
async def one(request: Request, ident: str) -> HTMLResponse:
    return await _one(request, ident)


@router.get("/desk/points/claims/{ident}/photos/{photo}", dependencies=[needs("points.read")])
async def picture(request: Request, ident: str, photo: str) -> Response:
    who = subject(request)

    def look(read: Read) -> tuple[str, bytes]:
        _here(read, who, ident)
        return photos.body(read, ident, photo)

    return shown(*await services(request).store.read(look))


@router.post("/desk/points/claims/{ident}/{step}", dependencies=[needs("points.read")])
async def step(request: Request, ident: str, step: str, why: Annotated[str, Form(max_length=600)] = "") -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        _here(tx, who, ident)
        if step in STEPS:
            STEPS[step](tx, who, ident)
        elif step == "return":
            claims.send_back(tx, who, ident, why)
        elif step == "refuse":
            claims.refuse(tx, who, ident, why)
        else:
            raise NotFound(_("There is no such claim"))

    return await acted(
        request, work, f"/desk/points/claims/{ident}", lambda wrong, status: _one(request, ident, wrong, status)
    )


@router.post("/desk/points/objections/{ident}", dependencies=[needs("points.read")])
async def answer(request: Request, ident: str, words: Text, upheld: Text = "") -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: publicity.answer(tx, who, ident, words, upheld=upheld == "yes"), "/desk/points",
        lambda wrong, status: _queue(request, wrong, status),
    )  # fmt: skip


@router.post("/desk/points/witness/{ident}", dependencies=[needs("points.read")])
async def witness(request: Request, ident: str, there: Text) -> Response:
    """Whoever was named at the counter as standing beside says so at their own desk."""
    who = subject(request)
    return await acted(
        request, lambda tx: counter.bear_witness(tx, who, ident, there=there == "yes"), "/desk/points",
        lambda wrong, status: _queue(request, wrong, status),
    )  # fmt: skip


@router.post("/desk/points/reversals", dependencies=[needs("points.read")])
async def reverse(request: Request, txn: Text, why: Text) -> Response:
    """积分冲正: the first or the second of its two signatures."""
    who = subject(request)

    def work(tx: Tx) -> None:
        found = ledger_area(tx, txn)
        who.require("points.approve" if who.may("points.approve") else "points.third", directory.area(tx, found).path)
        ledger.reverse(tx, txn.strip(), why, who)
        tx.touch("points.desk", found)

    return await acted(request, work, "/desk/points", lambda wrong, status: _queue(request, wrong, status))


def ledger_area(read: Read, txn: str) -> str:
    row = read.session.get(Txn, txn.strip())
    if row is None or row.area is None:
        raise NotFound(_("There is no such entry"))
    return row.area


def _import(
    request: Request,
    outcome: claim_import.Outcome | None = None,
    *,
    dry: bool = False,
    wrong: str = "",
    status: int = 200,
) -> HTMLResponse:
    return page(request, "points/desk_import.html", status, outcome=outcome, dry=dry, wrong=wrong)


async def _queue(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    topic = f"points.desk:{who.area}"
    named = await services(request).store.read(lambda read: counter.to_witness(read, who.id))
    return await page_live(
        request, "points/desk.html", topics=[topic], topic=topic, wrong=wrong, status=status,
        may_declare=who.may("points.declare"), tz=docket_cards.ZONE,
        witness=[line(each, shelf.name(reward)) for each, reward in named],
    )  # fmt: skip


async def _form(
    request: Request, written: dict[str, str], wrong: str = "", status: int = 200, said: str = ""
) -> HTMLResponse:
    today = services(request).clock.now().astimezone(ZoneInfo(docket_cards.ZONE)).date()
    items = catalogue.on(today).items
    kinds = ("person", "household", "organisation")
    return page(
        request, "points/desk_new.html", status, items=choices(items, kinds, deductions=False), wrong=wrong, said=said,
        taken=choices(items, kinds, deductions=True), today=today.isoformat(), written=written,
        reminded=[(each, items[each].name) for each in claim_rules.REMINDED if each in items],
        photos_max=photos.PHOTOS_MAX, words_max=claims.WORDS_MAX, reminders=claim_rules.REMINDERS,
    )  # fmt: skip


async def _one(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        claim = _here(read, who, ident)
        path = directory.area(read, claim.area).path
        seen = docket_cards.whole(read, claim)
        signed = any((who.person or who.id) == each for each in signers(read, claim))
        waits = bool(seen["next"]) and claim.state in claim_rules.SIGNABLE
        theirs = claim.peer and seen["next"] == claim_rules.SIGNS[claim_rules.PEER]
        may = waits and who.may(seen["next"], None if theirs else path) and not (theirs and who.may(seen["next"], path))
        other = docket.find(read, claim.held) if claim.held else None
        return {
            **seen, "signed_mine": signed, "may_sign": may and not signed and who.id != claim.declared_by,
            "may_judge": any(who.may(each, path) for each in claim_rules.SIGNS.values()),
            "may_veto": who.may("points.third", path), "first": claim.state == "claimed",
            "other": docket_cards.row(other) if other else None, "other_photos": photos.shown(read, claim.held),
        }  # fmt: skip

    seen = await services(request).store.read(look)
    return page(request, "points/desk_claim.html", status, wrong=wrong, **seen)


def signers(read: Read, claim: Claim) -> list[str]:
    return [each.person for each in approval.signatures(read, docket.subject_of(claim))]


def _here(read: Read, who: Subject, ident: str) -> Claim:
    claim = docket.find(read, ident)
    next_door = claim.peer and who.may("points.approve") and claim.area in docket.beside_of(read, who.area)
    if not next_door and not who.may("points.read", directory.area(read, claim.area).path):
        raise NotFound(_("There is no such claim"))
    return claim
