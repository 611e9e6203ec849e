"""The few fixed words that channels add to a notice, in Chinese and English."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from channels.base import RETRACTION, Message

_PRIORITY = {
    "routine": ("", ""),
    "important": ("重要", "Important"),
    "urgent": ("紧急", "Urgent"),
    "emergency": ("应急", "Emergency"),
    "drill": ("演练", "Drill"),
}
_RETRACTED = ("已撤回", "Withdrawn")
_WHOLE_TEXT = ("全文请看手机，或询问社区工作人员。", "Read the whole text on a phone or ask the community office.")
_OPEN = ("请点开查看", "Open to read")
_NEW_MESSAGE = ("您有一条新消息", "You have a new message")


def badge(message: Message) -> str:
    """The word that has to stand with the title: withdrawn before all else, then the priority."""
    return _pick(message, _RETRACTED if message.kind == RETRACTION else _PRIORITY[message.priority])


def whole_text_elsewhere(message: Message) -> str:
    return _pick(message, _WHOLE_TEXT)


def open_to_read(message: Message) -> str:
    return _pick(message, _OPEN)


def new_message(message: Message) -> str:
    """All that a lock screen or a text message may say of what is meant for one person."""
    return _pick(message, _NEW_MESSAGE)


def when(message: Message) -> str:
    """The time of issue as people of the place read it."""
    local: datetime = message.sent_at.astimezone(ZoneInfo(message.zone))
    if message.lang.startswith("zh"):
        return f"{local.year}年{local.month:02}月{local.day:02}日 {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def _pick(message: Message, words: tuple[str, str]) -> str:
    return words[0] if message.lang.startswith("zh") else words[1]
