"""What stands before every page: headers that keep a page to itself, known hosts, own origin, a bounded body, CSRF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access import subject
from hub.errors import NotAllowed
from hub.i18n import _
from hub.login import same
from web.mishaps import TooLarge, answer

BODY_BYTES_MAX = 1 << 20  # a long form with a list of households
FILE_BYTES_MAX = 9 << 20  # a file of 8 MiB with what the form puts around it, only where a slice takes files
SAFE = ("GET", "HEAD", "OPTIONS")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROBES = ("/healthz", "/readyz")  # asked by machines under whatever name the machine has


def policy(frames: str) -> str:
    return (
        f"default-src 'self'; frame-ancestors {frames}; base-uri 'none'; form-action 'self'; object-src 'none'; "
        "require-trusted-types-for 'script'; trusted-types linli linli-worker"
    )


class SafeHeaders:
    """On every response, also the refusals of the guards inside."""

    def __init__(self, app: ASGIApp, *, frames: str, secure: bool) -> None:
        self._app = app
        self._fixed = {
            "Content-Security-Policy": policy(frames),
            "X-Content-Type-Options": "nosniff",
            # same-origin, not no-referrer: without a referrer browsers send `Origin: null` with our own forms.
            "Referrer-Policy": "same-origin",
            "X-Frame-Options": "SAMEORIGIN" if frames == "'self'" else "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        }
        if secure:
            self._fixed["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers.setdefault(name, value)
                # Pages hold what belongs to one person; a proxy or a shared phone must not keep them.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, dressed if scope["type"] == "http" else send)


class OwnHouse:
    """Only our names as Host, only our pages as Origin of what writes or listens, only bounded bodies."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], uploads: Iterable[str] = ()) -> None:
        self._app, self._hosts, self._uploads = app, frozenset((*LOOPBACK, *hosts)), tuple(uploads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        request = Request(scope, receive)
        if scope["path"] not in PROBES and not known_host(headers.get("host", ""), self._hosts):
            sentence = _("This hub does not answer to that name; add it to the public address in the settings")
            return await answer(request, 421, "wrong-host", sentence)(scope, receive, send)
        guarded = scope["method"] not in SAFE or scope["path"].startswith("/live")
        if guarded and not own_origin(headers):
            sentence = _("This request came from a page that is not ours")
            return await answer(request, 403, "wrong-origin", sentence)(scope, receive, send)
        bytes_max = self._bytes_max(scope["path"], headers.get("content-type", ""))
        if int(headers.get("content-length", "0") or 0) > bytes_max:
            return await answer(request, 413, "too-large", _("What was sent is too large"))(scope, receive, send)
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > bytes_max:
                raise TooLarge(_("What was sent is too large"))
            return message

        await self._app(scope, bounded, send)

    def _bytes_max(self, path: str, kind: str) -> int:
        """More only for a form with a file, and only where a slice takes one."""
        room = any(path.startswith(each.rstrip("/") + "/") for each in self._uploads)
        return FILE_BYTES_MAX if room and kind.startswith("multipart/form-data") else BODY_BYTES_MAX


def known_host(host: str, hosts: Iterable[str]) -> bool:
    return (urlsplit(f"//{host}").hostname or "") in hosts if host else False


def own_origin(headers: Mapping[str, str]) -> bool:
    """Whether the request comes from a page of this very origin, or from no page at all (a program)."""
    host = headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == host
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    referrer = headers.get("referer")
    if referrer is not None:
        return urlsplit(referrer).netloc == host
    # Old set-top boxes send neither with their own page's requests. What writes with a cookie needs the CSRF token too.
    return True


class CsrfCheck:
    """A dependency of the whole application: a session's unsafe request carries the token of that session."""

    def __init__(self, exempt: Iterable[str]) -> None:
        self._exempt = tuple(exempt)

    async def __call__(self, request: Request) -> None:
        who = subject(request)
        if request.method in SAFE or who.kind == "nobody" or getattr(request.state, "bearer", False):
            return
        path = request.url.path
        if any(path == each or path.startswith(each.rstrip("/") + "/") for each in self._exempt):
            return
        given = request.headers.get("x-csrf")
        if given is None and "form" in request.headers.get("content-type", ""):
            field = (await request.form()).get("csrf", "")
            given = field if isinstance(field, str) else ""
        if not given or not same(given, who.csrf):
            raise NotAllowed(_("This page is too old; load it again and repeat"))
