"""The label of a device: A6, a QR that a phone's camera opens, and the short code for whoever has to type it."""

from __future__ import annotations

import io

import segno
from fastapi import Request
from markupsafe import Markup

from hub.page import public_base


def address(request: Request, path: str) -> str:
    base = public_base(request)
    return base + path


def qr(text: str) -> Markup:
    """A QR code as inline SVG in the page's colours. Error correction M: a label in a hut gets scratched."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=False, omitsize=True, svgclass="qr", lineclass=None, border=2
    )
    return Markup(drawn.getvalue().decode().replace('stroke="#000"', 'stroke="currentColor"'))  # noqa: S704
