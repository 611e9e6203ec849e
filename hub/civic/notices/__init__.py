"""Notices: written at the desk, signed by those it takes, shown where they hold, and proved to have been read."""

from __future__ import annotations

from fastapi import APIRouter

from hub import courier, outbox
from hub.civic.notices import (
    answer_pages,
    answers,
    api,
    audience_pages,
    behalf_pages,
    callback,
    cards,
    coverage,
    coverage_pages,
    digest,
    feeds,
    jobs,
    kiosk_pages,
    ladder,
    ladder_pages,
    letters_pages,
    life_pages,
    pages,
    poster,
    seed,
    slides,
    speakers,
    speech_pages,
    told,
    warning_pages,
    warnings,
    ways,
)
from hub.events import (
    HelpBrought,
    LoudspeakerWanted,
    NoticeEnded,
    NoticeReleased,
    NoticeSeen,
    PersonalMessage,
    SpeakerReported,
)
from hub.i18n import N_
from hub.module import Job, Module, Nav, joined

PERMISSIONS = {
    "notices.read": ("staff", "director", "publisher", "supervisor", "grid_worker", "admin"),
    "notices.draft": ("staff", "director", "publisher"),
    "notices.release": ("staff", "director", "publisher"),
    "notices.mark": ("staff", "director"),  # which marks a resident carries
    "notices.unreached": ("staff", "director", "publisher", "grid_worker"),  # where somebody at risk lives
    "notices.letters": ("staff", "director", "publisher", "operator"),  # how sending goes; no persons
    "notices.addressee": ("staff", "director"),  # whom a dead letter was meant for
    "notices.answer": ("staff", "director", "grid_worker"),  # what residents ask back
    "notices.emergency": ("publisher",),
    "notices.second": ("publisher", "director"),
    "notices.relay": ("publisher", "director"),  # another office's warning, as it stands, with a second person
    "notices.warn": ("department", "publisher"),  # what the other office's own system may send to /cap
}


def router() -> APIRouter:
    return joined(
        warning_pages.router, coverage_pages.router, answer_pages.router, pages.router, api.router, callback.router,
        ladder_pages.router, letters_pages.router, life_pages.router, poster.router, ways.router,
        audience_pages.router,
        speech_pages.router, feeds.router, kiosk_pages.router, behalf_pages.router,
    )  # fmt: skip


MODULE = Module(
    name="notices",
    title=N_("Notices"),
    router=router,
    listeners=(
        (NoticeEnded, outbox.on_notice_ended),
        (NoticeEnded, ladder.on_ended),
        (NoticeSeen, outbox.on_notice_seen),
        (NoticeReleased, warnings.on_released),
        (NoticeReleased, speakers.on_released),
        (LoudspeakerWanted, speakers.on_wanted),
        (SpeakerReported, speakers.on_reported),
        (PersonalMessage, outbox.plan_personal),
        (HelpBrought, answers.on_brought),
    ),
    jobs=(*jobs.JOBS, *courier.jobs(), Job("overview", digest.keep_sending)),
    permissions=PERMISSIONS,
    topics=(
        *cards.TOPICS,
        *coverage.TOPICS,
        *answer_pages.TOPICS,
        *ladder_pages.TOPICS,
        *letters_pages.TOPICS,
        *warning_pages.TOPICS,
        *ways.TOPICS,
        *speech_pages.TOPICS,
        *told.TOPICS,
    ),
    cards=(*cards.CARDS, *warning_pages.CARDS, *answer_pages.CARDS, *ways.CARDS),
    nav=(
        Nav("staff", "/desk", N_("Notices"), "notices.read", icon="notice", order=10),
        Nav("staff", "/desk/answers", N_("Residents' answers"), "notices.answer", icon="people", order=12),
        Nav("staff", "/desk/letters", N_("Sending"), "notices.letters", icon="send", order=14),
        Nav("staff", "/desk/marks", N_("Residents' marks"), "notices.mark", icon="people", order=16),
        Nav("resident", "/notices", N_("Notices"), icon="notice", order=20),
    ),
    slides=slides.of_area,
    seed=seed.seed,
    seed_order=90,  # last: once followers are bound, every personal message of another slice's seed would be sent
    uploads=("/desk/notices", "/api/v1/notices"),
    csrf_exempt=("/wechat", "/callback"),
)
