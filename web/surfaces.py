"""Which surface family a path belongs to, and so which session cookie speaks for it (contracts.md 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.login import SURFACES
from hub.module import Module

STAFF_PATHS = frozenset({"desk", "operate", "audit", "points-office"})
# Paths that serve every family: the page names its own with ?surface=.
SHARED_PATHS = frozenset({"live", "login", "logout", "look"})


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


def _first_step(path: str) -> str:
    return path.lstrip("/").split("/", 1)[0].split("?", 1)[0]
