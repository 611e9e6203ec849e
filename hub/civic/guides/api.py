"""Guides of the JSON API: public to read, written by the desk."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from hub.access import needs, public, subject
from hub.civic.guides import book
from hub.civic.guides.book import Draft
from hub.civic.guides.models import Guide
from hub.command import answered
from hub.db import Read, Tx
from hub.idempotency import Answer
from hub.page import services

router = APIRouter(prefix="/api/v1")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class GuideBody(BaseModel):
    """`steps` and `papers` one item each; `fee_fen` is never left out, 0 says that it costs nothing."""

    model_config = ConfigDict(extra="forbid")
    area: str = Field(max_length=12)
    title: str
    steps: list[str] = Field(min_length=1, max_length=book.LINES_MAX)
    fee_fen: int
    hours: str
    place: str
    title_en: str = ""
    who: str = ""
    who_en: str = ""
    steps_en: list[str] = Field(default=[], max_length=book.LINES_MAX)
    papers: list[str] = Field(default=[], max_length=book.LINES_MAX)
    papers_en: list[str] = Field(default=[], max_length=book.LINES_MAX)
    fee_note: str = ""
    fee_note_en: str = ""
    days: int = 0
    hours_en: str = ""
    place_en: str = ""
    phone: str = ""

    def draft(self) -> Draft:
        return Draft(
            zh=self.title, en=self.title_en, who_zh=self.who, who_en=self.who_en, steps_zh="\n".join(self.steps),
            steps_en="\n".join(self.steps_en), papers_zh="\n".join(self.papers), papers_en="\n".join(self.papers_en),
            fee_fen=self.fee_fen, fee_note_zh=self.fee_note, fee_note_en=self.fee_note_en, days=self.days,
            hours_zh=self.hours, hours_en=self.hours_en, place_zh=self.place, place_en=self.place_en, phone=self.phone,
        )  # fmt: skip


def shape(found: Guide) -> dict[str, Any]:
    return {
        "id": found.id, "area": found.area, "rev": found.rev, "state": found.state, "title": found.zh,
        "title_en": found.en, "who": found.who_zh, "who_en": found.who_en, "steps": book.lines(found.steps_zh),
        "steps_en": book.lines(found.steps_en), "papers": book.lines(found.papers_zh),
        "papers_en": book.lines(found.papers_en), "fee_fen": found.fee_fen, "fee_note": found.fee_note_zh,
        "fee_note_en": found.fee_note_en, "days": found.days, "hours": found.hours_zh, "hours_en": found.hours_en,
        "place": found.place_zh, "place_en": found.place_en, "phone": found.phone,
    }  # fmt: skip


@router.get("/guides", dependencies=[public("what one must bring, do and pay is public")])
async def listing(
    request: Request,
    area: Annotated[str, Query(max_length=12)] = "",
    q: Annotated[str, Query(max_length=60)] = "",
) -> dict[str, Any]:
    """What holds in a community: its own guides and those of the areas above it."""
    code = area or subject(request).area

    def look(read: Read) -> list[dict[str, Any]]:
        return [shape(each) for each in book.matching(book.offered(read, code), q)]

    return {"items": await services(request).store.read(look), "after": None}


@router.post("/guides", dependencies=[needs("guides.write")], status_code=201)
async def publish(request: Request, body: GuideBody, key: Key = None) -> JSONResponse:
    who = subject(request)

    def make(tx: Tx) -> Answer:
        return Answer(201, shape(book.publish(tx, who, body.area, body.draft())))

    return await answered(request, key, make)


@router.put("/guides/{ident}", dependencies=[needs("guides.write")])
async def change(
    request: Request, ident: str, body: GuideBody, rev: Annotated[int, Query(ge=1)], key: Key = None
) -> JSONResponse:
    """Write over revision `rev`; 409 when somebody was quicker. The area of a guide does not change."""
    who = subject(request)

    def make(tx: Tx) -> Answer:
        return Answer(200, shape(book.change(tx, who, ident, body.draft(), rev)))

    return await answered(request, key, make)


@router.post("/guides/{ident}/withdraw", dependencies=[needs("guides.write")])
async def withdraw(request: Request, ident: str, key: Key = None) -> JSONResponse:
    who = subject(request)

    def make(tx: Tx) -> Answer:
        return Answer(200, shape(book.withdraw(tx, who, ident)))

    return await answered(request, key, make)
