"""The desk's pages (list, composer, one notice with its reach) and the readers' (/notices, /n/{id})."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub import courier, font, media, reach
from hub.access import Subject, needs, public, signed_in, subject
from hub.civic.notices import (
    active,
    answer_pages,
    archive,
    attachments,
    audience_pages,
    cards,
    corrections,
    desk,
    forms,
    kinds,
    ladder_pages,
    poster,
    revisions,
    rules,
    wording,
)
from hub.civic.notices.forms import Draft
from hub.civic.notices.message import message_of, readings
from hub.civic.notices.models import Notice
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import LinliError, NotFound
from hub.i18n import _, language, speaking
from hub.page import actor, page, page_live, public_base, see_other, services
from hub.qr import svg
from hub.services import Services

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
    hub = services(request)
    contact = await hub.store.read(lambda read: archive.last_contact(read, who.area))
    return await composer(request, forms.from_kind(kind, who.area, hub.clock.now(), contact), touched=False)


@router.post("/desk/notices", dependencies=[needs("notices.draft")])
async def save(request: Request) -> Response:
    """Keep the draft; with 发布 pressed, release it in the same step if one signature is enough."""
    form, who = await request.form(), subject(request)
    draft = forms.from_form(form, str(form.get("notice", ""))[:36])
    try:
        words = draft.words(services(request).clock.now())

        def keep(tx: Tx) -> Notice:
            if draft.correcting:
                return desk.correct(tx, who, draft.notice, words)
            made = desk.revise(tx, who, draft.notice, words) if draft.notice else desk.draft(tx, who, words)
            if draft.copied and not draft.notice:
                attachments.copy(tx, who, draft.copied, made.id)
            if form.get("do") == "release" and len(rules.NEEDED[made.priority]) == 1:
                return desk.release(tx, who, made.id)
            return made

        made = await services(request).store.write(keep, actor(request))
    except LinliError as error:
        return await composer(request, draft, error.sentence, error.status)
    return see_other(f"/desk/notices/{made.id}")


@router.post("/desk/notices/preview", dependencies=[needs("notices.draft")])
async def preview(request: Request) -> HTMLResponse:
    """Every channel as it would read: the whole composer without script, the previews alone for compose.js."""
    form = await request.form()
    draft = forms.from_form(form, str(form.get("notice", ""))[:36])
    if form.get("to"):
        try:
            draft = draft.turned(str(form.get("to")), services(request).clock.now())
        except LinliError as error:
            return await composer(request, draft, error.sentence)
    if request.headers.get("x-fragment") == "1":
        return page(request, "notices/previews.html", **await _previews(request, draft))
    return await composer(request, draft)


@router.get("/desk/notices/{ident}", dependencies=[needs("notices.read")])
async def one(request: Request, ident: str) -> HTMLResponse:
    who, hub = subject(request), services(request)

    def look(read: Read) -> dict[str, Any]:
        found = _readable(read, who, ident)
        paths = active.paths_of(read, ident)
        may_draft = all(who.may("notices.draft", path) for path in paths)
        signed = desk.signatures(read, found)
        held = {each for each in rules.MISSING if all(who.may(each, path) for path in paths)}
        mine = any(each.person == (who.person or who.id) for each in signed)
        waits = found.state == "draft" and not mine
        part = rules.free_part(found.priority, {each.part for each in signed}, held) if waits else None
        lacking = rules.missing(found.priority, {each.part for each in signed})
        correction = corrections.open_for(read, ident) if found.state == "released" else None
        return {
            "notice": cards.shown(read, found, pages=True), "areas": cards.area_names(active.areas_of(read, ident)),
            "may_edit": found.state == "draft" and may_draft, "may_copy": who.may("notices.draft"),
            "may_correct": found.state == "released" and may_draft
            and not found.warning and correction is None, "correction": correction.id if correction else "",
            "corrects": found.corrects, "files_max": attachments.FILES_MAX, "file_mb_max": media.FILE_BYTES_MAX >> 20,
            "missing_glyphs": glyphs(hub, found.title + found.text + found.issuer),
            "may_sign": part is not None and len(lacking) > 1, "signed_mine": mine,
            "may_release": found.state == "draft" and (len(lacking) == 0 or (part is not None and len(lacking) == 1)),
            "may_retract": found.state in rules.LIVE and bool(held), "reasons": rules.REASONS,
            "tz": read.session.get_one(Area, found.place).tz, **ladder_pages.on_page(read, who, found),
        }  # fmt: skip

    shown = await hub.store.read(look)
    topic = f"notices.reach:{ident}"
    topics = [topic, shown["ladder_topic"]] if shown["ladder_topic"] else [topic]
    return await page_live(request, "notices/one.html", topics=topics, topic=topic, **shown)


@router.get("/desk/notices/{ident}/edit", dependencies=[needs("notices.draft")])
async def edit(request: Request, ident: str) -> HTMLResponse:
    """A draft is changed; a released notice is corrected, as its next revision."""
    who = subject(request)
    found = await services(request).store.read(lambda read: active.visible_to(read, who, ident, "notices.draft"))
    return await composer(request, forms.from_notice(found))


@router.post("/desk/notices/{ident}/approve", dependencies=[needs("notices.read")])
async def approve(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: desk.approve(tx, who, ident), actor(request))
    return see_other(f"/desk/notices/{ident}")


@router.post("/desk/notices/{ident}/release", dependencies=[needs("notices.read")])
async def release(request: Request, ident: str) -> Response:
    who = subject(request)
    made = await services(request).store.write(lambda tx: desk.release(tx, who, ident), actor(request))
    return see_other(f"/desk/notices/{made.id}")


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


@router.get("/notices", dependencies=[signed_in("resident")])
async def listing(request: Request) -> HTMLResponse:
    who = subject(request)
    topic = f"notices.page:{who.area}"
    mine = await services(request).store.read(lambda read: audience_pages.meant_for(read, who.id, who.area))
    return await page_live(request, "notices/page.html", topics=[topic], topic=topic, mine=mine)


@router.get("/n/{ident}", dependencies=[public("what was published is for everybody; the poster's QR code leads here")])
async def full(request: Request, ident: str) -> HTMLResponse:
    """The whole text. Opening it signed in is the proof that it was seen."""
    who, hub = subject(request), services(request)

    def look(read: Read) -> tuple[cards.Shown, revisions.Version | None]:
        found = active.notice(read, ident)
        if found.state not in poster.READABLE:
            raise NotFound(_("There is no such notice"))
        changed = revisions.versions(read, ident)[0] if found.revision > 1 and found.state == "released" else None
        return cards.shown(read, found), changed

    shown, changed = await hub.store.read(look)
    mine = None
    if who.kind == "resident" and shown.state == "released":
        await reach.proof(hub, who, [{"notice": ident, "rev": shown.rev, "level": "seen"}])
        mine = await hub.store.read(lambda read: answer_pages.under_notice(read, who, ident))
    topics = [f"notices.mine:{who.id}"] if mine else []
    status = 200 if shown.state == "released" else 410
    return await page_live(
        request, "notices/full.html", topics, status, notice=shown, mine=mine, asked=topics, changed=changed
    )


async def composer(
    request: Request, draft: Draft, wrong: str = "", status: int = 200, *, touched: bool = True
) -> HTMLResponse:
    """Before anybody has typed anything (`touched`), what is still missing is no fault."""
    who, previews = subject(request), await _previews(request, draft)
    if not touched and previews["unready"]:
        previews["unready"], previews["empty"] = "", True
    areas = await services(request).store.read(lambda read: active.choosable(read, who))
    depths = {area.code: area.path.count("/") for area in areas}
    top = min(depths.values(), default=0)
    return page(
        request, "notices/compose.html", status, draft=draft, wrong=wrong, kinds=list(kinds.every().values()),
        areas=[(area, depths[area.code] - top) for area in areas], priorities=cards.priorities(), lang_now=language(),
        ladders=cards.followed_like(),
        box=await audience_pages.boxed(request, draft.areas, draft.narrowed, draft.opened),
        **previews,
    )  # fmt: skip


async def _previews(request: Request, draft: Draft) -> dict[str, Any]:
    """How the draft would read on each channel and whom it would reach; what is wrong is said instead."""
    hub, who, lang = services(request), subject(request), draft.show_lang or language()
    channels = [courier.for_preview(hub, name) for name in PREVIEWED]

    def look(read: Read) -> dict[str, Any]:
        words = draft.words(read.now())
        areas = wording.places(read, who, words.audience)
        ready = wording.checked(read, words, areas)
        notice = wording.as_notice(read, ready, areas)
        with speaking(lang):
            shown = cards.shown(read, notice, pages=True)
            lines = shown.lines[:-1]
        said = readings(message_of(notice, areas, lang), channels, draft.show_large)
        return {
            "shown": shown, "lines": lines, "readings": {item.channel: item for item in said},
            "preview": desk.preview(read, ready),
            "unready": "", "changes": _changes(read, draft, ready), "only_zh": lang == "en" and not notice.text_en,
            "type": poster.type_size("\n".join(lines), "a4", draft.show_large), "until": notice.expires,
            "missing_glyphs": glyphs(hub, notice.title + notice.text + notice.issuer),
        }  # fmt: skip

    try:
        found = await hub.store.read(look)
    except LinliError as error:
        found = {"shown": None, "readings": {}, "preview": None, "unready": error.sentence}
    needed = rules.NEEDED.get(draft.values["priority"], ())
    qr = svg(f"{public_base(request)}/n/…")
    return {**found, "empty": False, "needed": len(needed), "qr": qr, "large": draft.show_large, "text_lang": lang}


def _changes(read: Read, draft: Draft, words: wording.Words) -> dict[str, tuple[revisions.Piece, ...]]:
    """What a correction changes, in the language of the desk's own words."""
    if not draft.correcting:
        return {}
    found = active.notice(read, draft.notice)
    pairs = {_("Title"): (found.title, words.title), _("Text"): (found.text, words.text)}
    pairs |= {_("Phone"): (found.contact, words.contact), _("Issuer"): (found.issuer, words.issuer)}
    made = {name: revisions.changes(old, new) for name, (old, new) in pairs.items()}
    return {name: pieces for name, pieces in made.items() if revisions.changed(pieces)}


def glyphs(hub: Services, text: str) -> str:
    """字库缺字: what our font cannot draw, when there is one; a TV would show a box in its place."""
    state = hub.config.get("state_dir", "")
    if not state or not font.files(Path(state)).coverage.exists():
        return ""
    return _(", ").join(sorted(font.missing(text, Path(state))))


def _readable(read: Read, who: Subject, ident: str) -> Notice:
    return active.touching(read, active.notice(read, ident), who.paths("notices.read"))
