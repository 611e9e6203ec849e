"""What a simulated loudspeaker shows: its last sayings, to be listened to; its inbox; and knobs that break it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from simulators.far_end import Asked, serving, sim_endpoint
from simulators.loudspeaker import Heard, Loudspeaker, SpeakerSim, speaking

_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>大喇叭（模拟）</title><style>
body {{ margin: 0; background: #2b3a40; color: #f6f4ef; font: 18px/1.6 "Noto Sans CJK SC", sans-serif; }}
header {{ padding: 10px 16px; text-align: center; }} header small {{ font-size: 15px; }}
main {{ max-width: 640px; margin: 0 auto; padding: 12px; }}
article {{ background: #f6f4ef; color: #182125; border-radius: 14px; padding: 10px 14px; margin: 0 0 12px; }}
p {{ margin: 0 0 6px; }} footer {{ color: #4c5a60; font-size: 15px; }} audio {{ width: 100%; }}
</style></head><body>
<header>大喇叭 {user}<br><small>模拟 · 最近 {count} 次播报 · 刷新页面看新的</small></header>
<main>{articles}</main></body></html>
"""
_RESULT = {
    "speaking": "正在播",
    "said": "已播完",
    "stopped": "中途停止",
    "interrupted": "被更紧急的打断",
    "failed": "未能播报",
}
_VOICE = {"clip": "真人录音", "machine": "机器声音", "chime": "只有提示音，未装语音"}
_FILE = re.compile(r"\d{4,6}\.wav")


def create_app(speaker: Loudspeaker) -> Starlette:
    async def page(_request: Request) -> Response:
        articles = "".join(map(_article, speaker.inbox)) or "<p>还没有播报过。</p>"
        user = escape(speaker.config.user)
        return HTMLResponse(_PAGE.format(user=user, count=len(speaker.inbox), articles=articles))

    async def inbox(_request: Request) -> Response:
        return JSONResponse({"items": speaker.shown(), "refused": speaker.refused[-20:], "after": None})

    async def mode(_request: Request, asked: Asked) -> Asked:
        speaker.mood.set(asked.get("mode"))
        await speaker.nudge()
        return {"mode": speaker.mood.name}

    async def sound(request: Request) -> Response:
        name = request.path_params["name"]
        path = speaker.config.folder / name
        if not _FILE.fullmatch(name) or not path.exists():
            return JSONResponse({"error": "no such sound"}, status_code=404)
        return FileResponse(path, media_type="audio/wav")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/sim/inbox", inbox),
            Route("/sim/mode", sim_endpoint(mode), methods=["POST"]),
            Route("/wav/{name}", sound),
        ]
    )


@asynccontextmanager
async def running(config: SpeakerSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[tuple[str, Loudspeaker]]:
    """The speaker on its pole with its page; yields the page's URL and the speaker."""
    async with speaking(config) as speaker, serving(create_app(speaker), host, port) as url:
        yield url, speaker


def _article(heard: Heard) -> str:
    how = f"{_RESULT[heard.result]} · {_VOICE[heard.voice]} · {heard.seconds:.0f} 秒"
    twice = " · 连播两遍" if heard.times > 1 else ""
    player = f'<audio controls preload="none" src="/wav/{heard.file}"></audio>' if heard.seconds else ""
    return f"<article><p>{escape(heard.text)}</p>{player}<footer>{how}{twice}</footer></article>"
