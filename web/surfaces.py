"""Which surface family a path belongs to, which session cookie speaks for it (contracts.md 3), where it begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import Request

from hub.access import NOBODY, Subject
from hub.login import SURFACES
from hub.module import Module
from hub.page import services

STAFF_PATHS = frozenset({"desk", "operate", "audit", "points-office"})
# Paths that serve every family: the page names its own with ?surface=.
SHARED_PATHS = frozenset({"live", "login", "logout", "look", "why", "frames"})


class Surfaces:
    """The first step of each link in the staff side bar is a staff path, so slices edit no list."""

    def __init__(self, modules: Iterable[Module]) -> None:
        linked = {_first_step(link.href) for module in modules for link in module.nav if link.surface == "staff"}
        self._staff = STAFF_PATHS | linked

    def of(self, path: str, query: Mapping[str, str]) -> str:
        step = _first_step(path)
        if step in SHARED_PATHS:
            named = query.get("surface", "")
            return named if named in SURFACES else "resident"
        if step in ("kiosk", "tv"):
            return step
        return "staff" if step in self._staff else "resident"


def cookie_name(surface: str, *, secure: bool) -> str:
    return f"__Host-linli_{surface}" if secure else f"linli_{surface}"


def home_of(request: Request, surface: str, who: Subject | None) -> str:
    """Where a surface begins for this subject."""
    who = who or NOBODY
    if surface == "kiosk":
        return f"/kiosk/{who.hut}"
    if surface == "tv":
        return f"/tv/{who.area}"
    if surface == "staff":
        links = services(request).render.nav("staff", who)  # type: ignore[attr-defined]
        return links[0].href if links else "/login?surface=staff"
    return "/"


def _first_step(path: str) -> str:
    return path.lstrip("/").split("/", 1)[0].split("?", 1)[0]
