"""Boxes (家里的电视): a home binds its television by a phone, and is told there that something is new for it."""

from __future__ import annotations

from fastapi import APIRouter

from hub.civic.boxes import cards, news, pages
from hub.events import PersonalMessage
from hub.i18n import N_
from hub.module import Module


def router() -> APIRouter:
    return pages.router


MODULE = Module(
    name="boxes",
    title=N_("Our televisions"),
    router=router,
    listeners=((PersonalMessage, news.heard),),
    topics=cards.TOPICS,
    cards=cards.CARDS,
)
