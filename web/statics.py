"""Static files from the shelf, the manifest and the service worker of the resident app."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from hub.access import public
from hub.errors import NotFound
from hub.i18n import _
from web.shelf import Shelf

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"
PRECACHED = ("tokens.css", "web.css", "live.js", "page.js", "icon.svg")


def router(shelf: Shelf) -> APIRouter:
    routes = APIRouter(dependencies=[public("looks and scripts hold nothing of anybody")], include_in_schema=False)

    @routes.api_route("/static/{name:path}", methods=["GET", "HEAD"])
    async def file(request: Request, name: str, v: str = "") -> Response:
        item = shelf.get(name)
        if item is None:
            raise NotFound(_("There is no such file"))
        tag = f'"{item.digest}"'
        headers = {"ETag": tag, "Cache-Control": FOR_EVER if v == item.digest else ASK_AGAIN, "Vary": "Accept-Encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = item.body
        if item.squeezed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = item.squeezed, "gzip"
        return Response(body, media_type=item.kind, headers=headers)

    @routes.get("/manifest.webmanifest")
    async def manifest() -> JSONResponse:
        icon = {"src": shelf.address("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
        whole = {
            "name": _("Linli, your neighbourhood"),
            "short_name": _("Linli"),
            "id": "/",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#f6f4ef",
            "theme_color": "#0c6b53",
            "icons": [icon],
        }
        return JSONResponse(whole, media_type="application/manifest+json")

    @routes.get("/sw.js")
    async def worker() -> Response:
        """From the root, since a worker rules only over what lies below its own address."""
        item = shelf.get("sw.js")
        if item is None:
            raise NotFound(_("There is no such file"))
        kept = ", ".join(f'"{shelf.address(name)}"' for name in PRECACHED)
        text = item.body.decode().replace("@VERSION@", shelf.version()).replace('"@FILES@"', kept)
        return Response(text, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return routes
