"""The label of a device: A6, a QR that a phone's camera opens, and the short code for whoever has to type it."""

from __future__ import annotations

from fastapi import Request

from hub.page import public_base


def address(request: Request, path: str) -> str:
    base = public_base(request)
    return base + path
