"""A civic slice declares itself: one MODULE in its `__init__.py`, found by walking the folder. No list is edited."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from hub.access import Subject
from hub.events import Event

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hub.db import Read, Tx
    from hub.feed import Feed
    from hub.fhir import Meal
    from hub.readings import Reading
    from hub.retention import Spares
    from hub.services import Services
    from hub.slides import Source
    from hub.why import Trace


@dataclass(frozen=True)
class Topic:
    """A fragment of a page that stays fresh: `name:key`, drawn again when a transaction touches it.

    `view` gives the template's context from the store; `allow` says who may watch that key. A `state` topic is latest
    wins; an `event` topic is pushed with `Feed.push` and replayed from `since`. What `covers` a screen is drawn first.
    """

    name: str
    template: str
    view: Callable[[Read, str], Mapping[str, Any]]
    allow: Callable[[Subject, str], bool]
    kind: str = "state"
    covers: bool = False


@dataclass(frozen=True)
class Card:
    """A topic's place on a shell page. `key` says what the topic is keyed by: area, household, resident, hut, subject.

    Surfaces: `home` (resident), `me`, `tv` (a tile with a page behind it), `desk`, `operate`, `kiosk_idle`.
    """

    surface: str
    topic: str
    key: str
    order: int = 50
    title: str = ""  # msgid; TV tiles need one


@dataclass(frozen=True)
class Nav:
    """A link in the staff shell's side bar (surface `staff`) or the resident's bottom bar (`resident`)."""

    surface: str
    href: str
    title: str  # msgid
    permission: str = ""
    icon: str = ""
    order: int = 50


@dataclass(frozen=True)
class Job:
    """A supervised background task, restarted with a pause when it fails."""

    name: str
    run: Callable[[Services], Awaitable[None]]
    role: str = "deliver"  # which `linli serve --role` carries it: front | ingest | web | deliver


@dataclass(frozen=True)
class Module:
    name: str
    title: str  # msgid
    router: Callable[[], APIRouter] | None = None
    listeners: tuple[tuple[type[Event], Callable[[Tx, Any], None]], ...] = ()
    glimpses: tuple[Callable[[Feed, Any], None], ...] = ()  # hear arrivals before they are stored; may only show
    jobs: tuple[Job, ...] = ()
    permissions: Mapping[str, tuple[str, ...]] | None = None
    topics: tuple[Topic, ...] = ()
    cards: tuple[Card, ...] = ()
    nav: tuple[Nav, ...] = ()
    seed: Callable[[Tx, Any], None] | None = None  # demo data through the slice's own verbs
    seed_order: int = 50
    demo_only: bool = False
    visitor: Callable[[Read, str], str | None] | None = (
        None  # who has shown a card at this hut's kiosk, a resident's id
    )
    slides: Source | None = None  # what it says on a community's TV channel (hub/slides.py)
    trace: Trace | None = None  # what stands behind one of the slice's own ids (hub/why.py)
    meal: Callable[[Read, Reading], Meal | None] | None = None  # before a glucose, as hub/fhir.py tells of it
    spares: Spares | None = None  # of these readings, whose frames must stay (hub/retention.py)
    csrf_exempt: tuple[str, ...] = ()  # paths whose callers are machines with their own proof (signature, token)
    uploads: tuple[str, ...] = ()  # paths below which a form may carry a file (web/guards.py: FILE_BYTES_MAX)


def joined(*parts: APIRouter) -> APIRouter:
    """One router with the routes of several, each kept as it is.

    `include_router` would make each route anew, here and once more where the shell includes the slice: 0.06 s a start.
    """
    from fastapi import APIRouter

    made = APIRouter()
    for part in parts:
        made.routes.extend(part.routes)
    return made


@cache
def discover(package: str = "hub.civic") -> tuple[Module, ...]:
    """Every slice found, by name."""
    folder = importlib.import_module(package)
    found = []
    for info in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        if isinstance(getattr(module, "MODULE", None), Module):
            found.append(module.MODULE)
    return tuple(sorted(found, key=lambda each: each.name))


def load_tables(package: str = "hub.civic") -> None:
    """Import every table class, so that the metadata is whole (migrations, tests)."""
    for core in (
        "audit",
        "directory",
        "login",
        "registry",
        "readings",
        "ingest",
        "presence",
        "approval",
        "outbox",
        "preferences",
        "digest",
        "quota",
        "breaker",
        "charges",
        "reach",
        "idempotency",
        "twin",
        "recall",
        "contacts",
        "calls",
        "erasure",
    ):
        importlib.import_module(f"hub.{core}")
    folder = importlib.import_module(package)
    for info in pkgutil.iter_modules(folder.__path__):
        name = f"{package}.{info.name}.models"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
