"""The desk's loudspeaker page of a notice (what is said, who said it, one's own voice), and the sounds themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from hub.access import Subject, needs, public, subject
from hub.civic.notices import active, cards, clips, speakers, speech
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.directory import Area
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import N_, _, pick
from hub.module import Topic
from hub.page import actor, page_live, see_other, services

_RESULT = {
    "said": (N_("said"), "ok"), "stopped": (N_("stopped half-way"), "warn"), "failed": (N_("did not speak"), "bad"),
}  # fmt: skip
_VOICE = {"clip": N_("recorded voice"), "machine": N_("machine voice"), "chime": N_("chime only, no voice there")}
_WHY = {
    "emergency": N_("Emergency: at once"), "ladder": N_("The ladder: too few reached"), "desk": N_("By hand"),
}  # fmt: skip
_HASH = re.compile(r"[0-9a-f]{64}")
router = APIRouter(include_in_schema=False)


@router.get("/desk/notices/{ident}/speech", dependencies=[needs("notices.read")])
async def look(request: Request, ident: str) -> HTMLResponse:
    return await _page(request, ident)


@router.post("/desk/notices/{ident}/speech", dependencies=[needs("notices.read")])
async def say(request: Request, ident: str) -> Response:
    who = subject(request)
    try:
        await services(request).store.write(lambda tx: speakers.say(tx, who, ident), actor(request))
    except LinliError as error:
        return await _page(request, ident, error.sentence, error.status)
    return see_other(f"/desk/notices/{ident}/speech")


@router.post("/desk/notices/{ident}/speech/english", dependencies=[needs("notices.release")])
async def english(request: Request, ident: str) -> Response:
    """For the desk's own place, and all notices from now on."""
    who, wanted = subject(request), (await request.form()).get("english") == "on"
    await services(request).store.write(lambda tx: speakers.speak_english(tx, who, who.area, wanted), actor(request))
    return see_other(f"/desk/notices/{ident}/speech")


@router.post("/desk/notices/{ident}/clip", dependencies=[needs("notices.release")])
async def keep(request: Request, ident: str) -> Response:
    """The browser's file, or nothing of it: looked at first, laid on the disk, then named by a row."""
    who = subject(request)
    async with request.form(max_files=1) as form:
        given = form.get("clip")
        data = await given.read(clips.BYTES_MAX + 1) if isinstance(given, UploadFile) else b""
    try:
        if not data:
            raise Refused(_("Choose a recording first"))
        sound = await run_in_threadpool(clips.listened, data)
        await run_in_threadpool(clips.keep, services(request).data, sound)
        await services(request).store.write(lambda tx: clips.attach(tx, who, ident, sound), actor(request))
    except LinliError as error:
        return await _page(request, ident, error.sentence, error.status)
    return see_other(f"/desk/notices/{ident}/speech")


@router.post("/desk/notices/{ident}/clip/drop", dependencies=[needs("notices.release")])
async def drop(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: clips.drop(tx, who, ident), actor(request))
    return see_other(f"/desk/notices/{ident}/speech")


@router.get("/clips/{sha256}.wav", dependencies=[public("what a loudspeaker says to a whole place is no secret")])
async def sound(request: Request, sha256: str) -> Response:
    who = subject(request)
    if not _HASH.fullmatch(sha256):
        raise NotFound(_("There is no recording"))
    path = services(request).data / "clips" / f"{sha256}.wav"
    heard = await services(request).store.read(lambda read: clips.may_be_heard(read, who, sha256))
    if not heard or not path.exists():
        raise NotFound(_("There is no recording"))
    return FileResponse(path, media_type="audio/wav", headers={"x-content-type-options": "nosniff"})


async def _page(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def read(read: Read) -> dict[str, Any]:
        found = active.touching(read, active.notice(read, ident), who.paths("notices.read"))
        return {
            "notice": cards.shown(read, found), "may_say": _may_say(read, who, found), "takes": clips.takes(found),
            "clip": speakers.state(read, ident).clip, "english": speech.speaks_english(read, who.area),
            "may_choose": who.may("notices.release"),
        }  # fmt: skip

    shown = await services(request).store.read(read)
    topic = f"notices.speech:{ident}"
    return await page_live(
        request, "notices/speech.html", topics=[topic], status=status, topic=topic, wrong=wrong, **shown
    )


def _may_say(read: Read, who: Subject, found: Notice) -> bool:
    paths = active.paths_of(read, found.id)
    held = any(all(who.may(each, path) for path in paths) for each in ("notices.release", "notices.emergency"))
    return held and found.everybody


def drawn(read: Read, ident: str) -> Mapping[str, Any]:
    found = read.session.get(Notice, ident, populate_existing=True)
    if found is None:
        return {"state": None}
    state = speakers.state(read, ident)
    place = read.session.get_one(Area, found.place)
    waits = state.hours.begin > state.now and found.state == "released" and bool(state.asked)
    return {
        "state": state, "tz": place.tz, "waits": waits, "clip": state.clip, "everybody": found.everybody,
        "clip_path": speech.clip_path(state.clip.sha256) if state.clip else "",
        "asked": [(_area(read, row.area), _(_WHY[row.why]), row.round, row.wanted_at) for row in state.asked],
        "lines": [
            (line.speaker, pick(line.place.zh, line.place.en), line.played, *_words(line.played))
            for line in state.lines
        ],
    }  # fmt: skip


def _words(played: Any) -> tuple[str, str, str]:
    if played is None:
        return _("not yet"), "plain", ""
    word, tag = _RESULT[played.result]
    return _(word), tag, _(_VOICE[played.voice])


def _area(read: Read, code: str) -> str:
    area = read.session.get_one(Area, code)
    return pick(area.zh, area.en)


def _staff(subject: Subject, key: str) -> bool:
    """Which speaker said what is no secret among desks."""
    return len(key) <= 36 and subject.may("notices.read")


TOPICS = (Topic("notices.speech", "notices/speech_state.html", drawn, _staff),)
