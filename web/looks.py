"""How one likes to see: larger type, dark or light, contrast, language. Plain forms, remembered in this browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hub.access import public
from hub.page import see_other
from web.auth import local
from web.speech import YEAR_S

CHOICES = {
    "mode": ("normal", "elder"),
    "theme": ("auto", "light", "dark"),
    "contrast": ("normal", "high"),
    "lang": ("zh", "en"),
}


def router() -> APIRouter:
    routes = APIRouter(dependencies=[public("how a page looks is everybody's own choice")], include_in_schema=False)

    @routes.post("/look")
    async def choose(
        request: Request,
        mode: Annotated[str, Form(max_length=10)] = "",
        theme: Annotated[str, Form(max_length=10)] = "",
        contrast: Annotated[str, Form(max_length=10)] = "",
        lang: Annotated[str, Form(max_length=10)] = "",
        next: Annotated[str, Form(max_length=400)] = "/",
    ) -> Response:
        response = see_other(local(next) or "/")
        secure: bool = request.app.state.secure
        for name, value in (("mode", mode), ("theme", theme), ("contrast", contrast), ("lang", lang)):
            if value in CHOICES[name]:
                response.set_cookie(f"linli_{name}", value, max_age=YEAR_S, path="/", secure=secure, samesite="lax")
        return response

    return routes
