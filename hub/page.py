"""How a slice answers with a page: context in, HTML out, in the reader's language. The shell's look comes from web/."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from hub.access import subject
from hub.db import Actor, Tx
from hub.errors import LinliError, NotFound
from hub.i18n import _, language
from hub.services import Services

T = TypeVar("T")


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def actor(request: Request, *, on_behalf_of: str | None = None, cause: str | None = None) -> Actor:
    """Whoever sent the request, for the transaction's events."""
    who = subject(request)
    return Actor(f"{who.kind}:{who.id}", on_behalf_of, cause)


def page(request: Request, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template with what every page knows: the request, the subject, the language."""
    html = services(request).render(
        template,
        {"request": request, "subject": subject(request), "fragments": {}, "demo": services(request).demo, **context},
        language(),
    )
    return HTMLResponse(html, status_code=status)


async def page_live(
    request: Request, template: str, /, topics: Sequence[str], status: int = 200, **context: Any
) -> HTMLResponse:
    """A page with live fragments: each topic is drawn now (`live("name:key")` in the template) and kept fresh by the
    feed.
    """
    return page(request, template, status, fragments=await fragments(request, topics), **context)


def public_base(request: Request) -> str:
    """What comes before a path in a link that leaves the house: as the operator says, or as the reader came."""
    return services(request).config.get("public_url", "").rstrip("/") or str(request.base_url).rstrip("/")


def see_other(path: str) -> RedirectResponse:
    """After a form: go and look (303), so that a reload repeats nothing."""
    return RedirectResponse(path, status_code=303)


async def acted(
    request: Request,
    work: Callable[[Tx], T],
    to: str | Callable[[T], str],
    again: Callable[[str, int], Awaitable[Response]],
) -> Response:
    """A form's one write, then the page it leads to; what is refused is said where the form stands (`again`)."""
    try:
        made = await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await again(error.sentence, error.status)
    return see_other(to if isinstance(to, str) else to(made))


async def fragment(request: Request, topic: str) -> str:
    """The current HTML of a topic this subject may watch."""
    feed = services(request).feed
    if not feed.may_watch(subject(request), topic):
        raise NotFound(_("There is nothing here for you"))
    frame = await feed.current(topic, language())
    return frame.html


async def fragments(request: Request, topics: Sequence[str]) -> dict[str, str]:
    """The current HTML of several topics, drawn in one look at the store; the subject must be allowed all of them."""
    feed = services(request).feed
    if not all(feed.may_watch(subject(request), topic) for topic in topics):
        raise NotFound(_("There is nothing here for you"))
    return {topic: frame.html for topic, frame in (await feed.currents(topics, language())).items()}
