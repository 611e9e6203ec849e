"""The desk's pages (list, composer, one notice with its reach, poster) and the readers' (/notices, /n/{id})."""

from __future__ import annotations

import io
from typing import Any

import segno
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from hub import courier, reach
from hub.access import Subject, needs, public, signed_in, subject
from hub.civic.notices import active, answer_pages, cards, desk, forms, kinds, ladder_pages, rules, wording
from hub.civic.notices.forms import Draft
from hub.civic.notices.message import message_of, readings
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.directory import Area
from hub.errors import LinliError, NotFound
from hub.i18n import _, language
from hub.page import actor, page, page_live, see_other, services

PREVIEWED = ("tv", "screen", "wechat", "sms", "webpush")
URGENT_BELOW = 10  # cards with a smaller order stand above the list: somebody must decide now
router = APIRouter()


@router.get("/desk", dependencies=[needs("notices.read")])
async def home(request: Request) -> HTMLResponse:
    who = subject(request)
    extra = [card for module in services(request).modules for card in module.cards if card.surface == "desk"]
    keys = {"area": who.area, "subject": who.id}
    extra.sort(key=lambda card: card.order)
    named = [(card.order, f"{card.topic}:{keys[card.key]}") for card in extra if card.key in keys]
    seen = [(order, topic) for order, topic in named if services(request).feed.may_watch(who, topic)]
    mine = f"notices.desk:{who.area}"
    first = [topic for order, topic in seen if order < URGENT_BELOW]
    others = [topic for order, topic in seen if order >= URGENT_BELOW]
    shown: dict[str, Any] = {"mine": mine, "first": first, "others": others, "may_draft": who.may("notices.draft")}
    return await page_live(request, "notices/desk.html", topics=[*first, mine, *others], **shown)


@router.get("/desk/notices/new", dependencies=[needs("notices.draft")])
async def compose(request: Request, kind: str = "") -> HTMLResponse:
    who = subject(request)
    return await _composer(request, forms.from_kind(kind, who.area, services(request).clock.now()))


@router.post("/desk/notices", dependencies=[needs("notices.draft")])
async def save(request: Request) -> Response:
    """Keep the draft; with 发布 pressed, release it in the same step if one signature is enough."""
    form, who = await request.form(), subject(request)
    draft = forms.from_form(form, str(form.get("notice", ""))[:36])
    try:
        words = draft.words()

        def keep(tx: Any) -> Notice:
            made = desk.revise(tx, who, draft.notice, words) if draft.notice else desk.draft(tx, who, words)
            if form.get("do") == "release" and len(rules.NEEDED[made.priority]) == 1:
                return desk.release(tx, who, made.id)
            return made

        made = await services(request).store.write(keep, actor(request))
    except LinliError as error:
        return await _composer(request, draft, error.sentence, error.status)
    return see_other(f"/desk/notices/{made.id}")


@router.post("/desk/notices/preview", dependencies=[needs("notices.draft")])
async def preview(request: Request) -> HTMLResponse:
    """Every channel as it would read: the whole composer without script, the previews alone for compose.js."""
    form = await request.form()
    draft = forms.from_form(form, str(form.get("notice", ""))[:36])
    if request.headers.get("x-fragment") == "1":
        return page(request, "notices/previews.html", **await _previews(request, draft))
    return await _composer(request, draft)


@router.get("/desk/notices/{ident}", dependencies=[needs("notices.read")])
async def one(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = _readable(read, who, ident)
        paths = active.paths_of(read, ident)
        signed = desk.signatures(read, found)
        held = {each for each in rules.MISSING if all(who.may(each, path) for path in paths)}
        mine = any(each.person == (who.person or who.id) for each in signed)
        waits = found.state == "draft" and not mine
        part = rules.free_part(found.priority, {each.part for each in signed}, held) if waits else None
        lacking = rules.missing(found.priority, {each.part for each in signed})
        return {
            "notice": cards.shown(read, found, pages=True), "areas": cards.area_names(active.areas_of(read, ident)),
            "may_edit": found.state == "draft" and all(who.may("notices.draft", path) for path in paths),
            "may_sign": part is not None and len(lacking) > 1, "signed_mine": mine,
            "may_release": found.state == "draft" and (len(lacking) == 0 or (part is not None and len(lacking) == 1)),
            "may_retract": found.state in rules.LIVE and bool(held), "reasons": rules.REASONS,
            "tz": read.session.get_one(Area, found.place).tz, **ladder_pages.on_page(read, who, found),
        }  # fmt: skip

    shown = await services(request).store.read(look)
    topic = f"notices.reach:{ident}"
    topics = [topic, shown["ladder_topic"]] if shown["ladder_topic"] else [topic]
    return await page_live(request, "notices/one.html", topics=topics, topic=topic, **shown)


@router.get("/desk/notices/{ident}/edit", dependencies=[needs("notices.draft")])
async def edit(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)
    found = await services(request).store.read(lambda read: active.visible_to(read, who, ident, "notices.draft"))
    return await _composer(request, forms.from_notice(found))


@router.post("/desk/notices/{ident}/approve", dependencies=[needs("notices.read")])
async def approve(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: desk.approve(tx, who, ident), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.post("/desk/notices/{ident}/release", dependencies=[needs("notices.read")])
async def release(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: desk.release(tx, who, ident), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.post("/desk/notices/{ident}/retract", dependencies=[needs("notices.read")])
async def retract(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    reason = str(form.get("other", "")).strip() or str(form.get("reason", ""))
    await services(request).store.write(lambda tx: desk.retract(tx, who, ident, reason), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.post("/desk/notices/{ident}/discard", dependencies=[needs("notices.draft")])
async def discard(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: desk.discard(tx, who, ident), actor(request))
    return see_other("/desk")


@router.get("/desk/notices/{ident}/poster", dependencies=[needs("notices.read")])
async def poster(request: Request, ident: str) -> HTMLResponse:
    who = subject(request)
    shown = await services(request).store.read(lambda read: cards.shown(read, _readable(read, who, ident)))
    return page(request, "notices/poster.html", notice=shown, qr=_qr(_address(request, shown.url)))


@router.get("/notices", dependencies=[signed_in("resident")])
async def listing(request: Request) -> HTMLResponse:
    topic = f"notices.page:{subject(request).area}"
    return await page_live(request, "notices/page.html", topics=[topic], topic=topic)


@router.get("/n/{ident}", dependencies=[public("what was published is for everybody; the poster's QR code leads here")])
async def full(request: Request, ident: str) -> HTMLResponse:
    """The whole text. Opening it signed in is the proof that it was seen."""
    who, hub = subject(request), services(request)

    def look(read: Read) -> cards.Shown:
        found = active.notice(read, ident)
        if found.state not in ("released", "retracted", "expired"):
            raise NotFound(_("There is no such notice"))
        return cards.shown(read, found)

    shown = await hub.store.read(look)
    mine = None
    if who.kind == "resident" and shown.state == "released":
        await reach.proof(hub, who, [{"notice": ident, "rev": shown.rev, "level": "seen"}])
        mine = await hub.store.read(lambda read: answer_pages.under_notice(read, who, ident))
    topics = [f"notices.mine:{who.id}"] if mine else []
    status = 200 if shown.state == "released" else 410
    return await page_live(request, "notices/full.html", topics, status, notice=shown, mine=mine, asked=topics)


async def _composer(request: Request, draft: Draft, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    areas = await services(request).store.read(lambda read: active.choosable(read, who))
    depths = {area.code: area.path.count("/") for area in areas}
    top = min(depths.values(), default=0)
    return page(
        request, "notices/compose.html", status, draft=draft, wrong=wrong, kinds=list(kinds.every().values()),
        areas=[(area, depths[area.code] - top) for area in areas], priorities=cards.priorities(),
        **await _previews(request, draft),
    )  # fmt: skip


async def _previews(request: Request, draft: Draft) -> dict[str, Any]:
    """How the draft would read on each channel and whom it would reach; what is wrong is said instead."""
    hub, who, lang = services(request), subject(request), language()
    channels = [courier.for_preview(hub, name) for name in PREVIEWED]

    def look(read: Read) -> dict[str, Any]:
        words = draft.words()
        areas = wording.places(read, who, words.audience)
        ready = wording.checked(read, words, areas)
        notice = wording.as_notice(read, ready, areas)
        shown = cards.shown(read, notice, pages=True)
        each = {item.channel: item for item in readings(message_of(notice, areas, lang), channels)}
        return {"shown": shown, "readings": each, "preview": desk.preview(read, ready), "unready": ""}

    try:
        found = await hub.store.read(look)
    except LinliError as error:
        found = {"shown": None, "readings": {}, "preview": None, "unready": error.sentence}
    needed = rules.NEEDED.get(draft.values["priority"], ())
    return {**found, "needed": len(needed), "qr": _qr(_address(request, "/n/…"))}


def _readable(read: Read, who: Subject, ident: str) -> Notice:
    return active.touching(read, active.notice(read, ident), who.paths("notices.read"))


def _address(request: Request, path: str) -> str:
    base = services(request).config.get("public_url", "").rstrip("/") or str(request.base_url).rstrip("/")
    return base + path


def _qr(text: str) -> Markup:
    """A QR code as inline SVG; its colours are the page's (currentColor)."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=False, omitsize=True, svgclass="qr", lineclass=None, border=2
    )
    return Markup(drawn.getvalue().decode().replace('stroke="#000"', 'stroke="currentColor"'))  # noqa: S704
