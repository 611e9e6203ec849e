"""A text as a QR code: inline SVG in the page's own colours, or a PNG for old engines. Error correction M: paper on a
wall gets scratched."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup


def svg(text: str) -> Markup:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=False, omitsize=True, svgclass="qr", lineclass=None, border=2
    )
    return Markup(drawn.getvalue().decode().replace('stroke="#000"', 'stroke="currentColor"'))  # noqa: S704


def png(text: str) -> bytes:
    """For screens that do not draw inline SVG."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=6, border=2)
    return drawn.getvalue()
