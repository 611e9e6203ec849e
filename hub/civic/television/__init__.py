"""Television: each community's own channel, which any player shows, with its list and its programme guide."""

from __future__ import annotations

from fastapi import APIRouter

from hub.i18n import N_
from hub.module import Module


def router() -> APIRouter:
    # FastAPI stands already where a router is asked for; a worker without pages need not load what draws.
    from hub.civic.television import pages

    return pages.router


MODULE = Module(name="television", title=N_("Television"), router=router)
