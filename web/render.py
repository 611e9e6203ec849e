"""Templates to HTML: one Jinja2 environment over the shell's and every slice's templates.

Autoescape is forced on for everything, an undefined name is an error, and what a page needs to know of the shell stands
here as a handful of globals. Live fragments are drawn once for all readers, so nothing in them may depend on the reader
or on the hour: `when` writes an absolute time that page.js makes friendly, and `csrf()` leaves a gap the page fills.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import BytecodeCache, Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup, escape

import hub.civic
from hub import i18n
from hub.access import NOBODY, Subject
from hub.i18n import language, speaking
from hub.module import Module, Nav
from web import words
from web.shelf import Shelf
from web.surfaces import Surfaces

ROOM = Path(__file__).resolve().parent
CSRF_GAP = Markup('<input type="hidden" name="csrf" value="">')
RESIDENT_NAV = (
    Nav("resident", "/", i18n.N_("Home"), icon="home", order=0),
    Nav("resident", "/me", i18n.N_("Me"), icon="me", order=100),
)


class _Remembered(BytecodeCache):
    """Compiled templates where no folder may keep them: at least once a process, not once a renderer."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_REMEMBERED = _Remembered()


class Renderer:
    """Services.render: `render(template, context, lang) -> html`."""

    def __init__(
        self, modules: Sequence[Module], shelf: Shelf, folders: Sequence[Path], compiled: Path | None = None
    ) -> None:
        self._modules, self._surfaces = tuple(modules), Surfaces(modules)
        self.environment = Environment(
            loader=FileSystemLoader([ROOM / "templates", *slice_folders("templates"), *folders]),
            autoescape=True,
            undefined=StrictUndefined,
            bytecode_cache=FileSystemBytecodeCache(str(compiled), "%s.jinja") if compiled else _REMEMBERED,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals.update(
            _=i18n._,
            pick=i18n.pick,
            lang=language,
            live=_live,
            csrf=_csrf,
            csrf_token=_csrf_token,
            icon=icon,
            current=current,
            look=pass_context(lambda context: self.look(context.get("request"))),
            asset=shelf.address,
            has_font=shelf.has("font/linli-sc.woff2"),
            nav=pass_context(lambda context, surface: self.nav(surface, _subject(context))),
        )
        for name in ("points", "n", "day", "date_of", "clock", "stamp"):
            self.environment.filters[name] = getattr(words, name)
        self.environment.filters["when"] = _when

    def __call__(self, template: str, context: Mapping[str, Any], lang: str) -> str:
        with speaking(lang):
            return self.environment.get_template(template).render(context)

    def look(self, request: Request | None) -> dict[str, str]:
        """What the reader chose, from cookies: mode, theme, contrast; and the surface family of this page."""
        if request is None:
            return {"mode": "normal", "theme": "auto", "contrast": "normal", "surface": "resident", "path": "/"}
        theme = request.cookies.get("linli_theme", "auto")
        return {
            "mode": "elder" if request.cookies.get("linli_mode") == "elder" else "normal",
            "theme": theme if theme in ("dark", "light") else "auto",
            "contrast": "high" if request.cookies.get("linli_contrast") == "high" else "normal",
            "surface": self._surfaces.of(request.url.path, request.query_params),
            "path": _here(request),
        }

    def nav(self, surface: str, subject: Subject) -> list[Nav]:
        """The links this subject may follow on this surface, in order."""
        own = RESIDENT_NAV if surface == "resident" else ()
        links = [*own, *(link for module in self._modules for link in module.nav if link.surface == surface)]
        allowed = [link for link in links if not link.permission or subject.may(link.permission)]
        return sorted(allowed, key=lambda link: link.order)


def current(links: Sequence[Nav], path: str) -> str:
    """The one link of a bar that this page belongs to: the longest address the page's own begins with."""
    page = path.split("?")[0]
    inside = [
        each.href for each in links if page == each.href or (each.href != "/" and page.startswith(each.href + "/"))
    ]
    return max(inside, key=len, default="")


def make_render(modules: Sequence[Module], state_folder: Path | None, *, folders: Sequence[Path] = ()) -> Renderer:
    """The renderer over the shell's templates, every slice's, and `folders` (a test's own)."""
    return Renderer(modules, Shelf(state_folder), folders, _compiled(state_folder))


def _compiled(state_folder: Path | None) -> Path | None:
    """Where compiled templates are kept from start to start: compiling them is most of what a first page takes."""
    if state_folder is None:
        return None
    folder = state_folder / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


@cache
def slice_folders(name: str) -> tuple[Path, ...]:
    """The folders of this name in the civic slices."""
    found = (folder for root in hub.civic.__path__ for folder in Path(root).glob(f"*/{name}"))
    return tuple(sorted(folder for folder in found if folder.is_dir()))


@cache
def icon(name: str) -> Markup:
    """An inline SVG, hidden from screen readers: a text always stands beside it. An unknown name draws a dot."""
    path = ROOM / "icons" / f"{name}.svg"
    if not path.exists():
        path = ROOM / "icons" / "dot.svg"
    drawing = path.read_text(encoding="utf-8").strip()
    return Markup(drawing.replace("<svg ", '<svg class="icon" aria-hidden="true" focusable="false" ', 1))  # noqa: S704


@pass_context
def _live(context: Context, topic: str) -> Markup:
    """The drawn fragment of a topic, with this reader's CSRF token put into its forms."""
    html = context["fragments"][topic]
    return Markup(html.replace(str(CSRF_GAP), str(_csrf(context))))  # noqa: S704 - drawn by us, escaped then


@pass_context
def _csrf(context: Context) -> Markup:
    """The hidden field of a form; empty inside a live fragment, where no reader is known yet."""
    token = _subject(context).csrf
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token) if token else CSRF_GAP


@pass_context
def _csrf_token(context: Context) -> str:
    return _subject(context).csrf


def _here(request: Request) -> str:
    """The page's own address for forms that come back to it, without what should be used once."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in ("lang", "code", "pair")]
    return request.url.path + ("?" + urlencode(kept) if kept else "")


def _subject(context: Context) -> Subject:
    found = context.get("subject")
    return found if isinstance(found, Subject) else NOBODY


def _when(at: Any, tz: str = words.ZONE) -> Markup:
    text = words.stamp(at, tz)
    return Markup('<time class="when" datetime="{}" data-lang="{}">{}</time>').format(
        words.local(at, tz).isoformat(timespec="seconds"), language(), escape(text)
    )
