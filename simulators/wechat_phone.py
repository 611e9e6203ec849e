"""A page to look at and press: the followers' phones with what arrived on them, and the account's menu below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from urllib.parse import quote

from simulators.wechat_platform import Arrival

_SHOWN_MAX = 50


@dataclass(frozen=True)
class Talk:
    """What a follower wrote or pressed, and what the account said below it."""

    at: str
    who: str
    said: str
    shown: str


_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3"><title>微信（模拟）</title><style>
body {{ margin: 0; background: #ebe7de; color: #182125; font: 16px/1.6 "Noto Sans CJK SC", sans-serif; }}
header {{ background: #f6f4ef; border-bottom: 1px solid #d5cfc2; padding: 10px 16px; text-align: center; }}
header small, time, footer {{ color: #4c5a60; font-size: 14px; }}
main {{ max-width: 430px; margin: 0 auto; padding: 12px; }}
article {{ background: #fff; border-radius: 10px; padding: 12px 16px; margin: 4px 0 16px; }}
article.own {{ background: #dcebd8; margin-left: 60px; }}
h2 {{ font-size: 18px; margin: 0 0 6px; }} dl, dd {{ margin: 0; }}
time {{ display: block; text-align: center; }}
nav {{ position: sticky; bottom: 0; background: #f6f4ef; border-top: 1px solid #d5cfc2; padding: 8px 16px; }}
form {{ display: flex; gap: 8px; max-width: 430px; margin: 0 auto; }}
button {{ flex: 1; min-height: 44px; font: inherit; color: inherit; background: #fff; border: 1px solid #9aa5a9;
  border-radius: 8px; }}
nav p {{ margin: 0; text-align: center; color: #4c5a60; font-size: 14px; }} a {{ color: #0b5b4c; }}
footer {{ border-top: 1px solid #ebe7de; margin-top: 8px; padding-top: 6px; overflow-wrap: anywhere; }}
</style></head><body>
<header>邻里服务号<br><small>微信模拟服务器 · {count}</small></header>
<main>{articles}</main>{menu}</body></html>
"""


def page(
    arrivals: Iterable[Arrival], openid: str, talks: Iterable[Talk] = (), menu: Iterable[Mapping[str, object]] = ()
) -> str:
    """The newest first; with `openid`, one follower's phone."""
    both: list[Arrival | Talk] = [*arrivals, *talks]
    theirs = [each for each in both if openid in {"", each.who}]
    shown = sorted(theirs, key=lambda each: each.at, reverse=True)[:_SHOWN_MAX]
    drawn = (_talk(each) if isinstance(each, Talk) else _article(each) for each in shown)
    articles = "".join(drawn) or "<p>还没有收到消息。</p>"
    return _PAGE.format(count=f"最近 {len(shown)} 条消息", articles=articles, menu=_menu(openid, menu))


def _menu(openid: str, menu: Iterable[Mapping[str, object]]) -> str:
    """Keys of one person's phone; where all phones are shown together it is nobody's."""
    keys = "".join(
        f'<button name="key" value="{escape(str(button.get("key", "")))}">{escape(str(button["name"]))}</button>'
        for button in menu
    )
    if not keys:
        return ""
    if not openid:
        return "<nav><p>点一条消息下面的号码，进入那部手机，就可以按菜单。</p></nav>"
    who = f'<input type="hidden" name="openid" value="{escape(openid)}">'
    return f'<nav><form method="post" action="/press">{who}{keys}</form></nav>'


def _phone(openid: str) -> str:
    return f'<a href="/?openid={quote(openid)}">{escape(openid)}</a>'


def _talk(talk: Talk) -> str:
    local = datetime.fromisoformat(talk.at) + timedelta(hours=8)
    shown = f"<article>{escape(talk.shown)}<footer>邻里服务号</footer></article>" if talk.shown else ""
    said = f'<article class="own">{escape(talk.said)}<footer>{_phone(talk.who)}</footer></article>'
    return f"<time>{local:%m-%d %H:%M:%S}</time>{said}{shown}"


def _article(arrival: Arrival) -> str:
    first, *others = arrival.fields.values()
    lines = "".join(f"<dd>{escape(value)}</dd>" for value in others)
    local = datetime.fromisoformat(arrival.at) + timedelta(hours=8)
    # The link is shown, not followed: inside the stage's frame it would open the hub in a strange origin.
    link = f"详情 {escape(arrival.url)}" if arrival.url else "没有链接"
    return (
        f"<time>{local:%m-%d %H:%M:%S}</time><article><h2>{escape(first)}</h2><dl>{lines}</dl>"
        f"<footer>{link}<br>{_phone(arrival.who)} · {arrival.msgid}</footer></article>"
    )
