"""What a relayed warning says on our screens: the issuer's words, its colour as a word, who issued it and when. Pure.

Nobody here may author or recolour a warning (domain.md 5): this only puts the issuer's own text in our order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hub.audience import Audience
from hub.civic.notices import rules
from hub.civic.notices.cap import Alert, Info
from hub.civic.notices.wording import Words
from hub.i18n import N_, translate

KIND = "warning"
_ROOM_CHARS = 200  # for the lines that we add
COLOUR = {"red": N_("Red"), "orange": N_("Orange"), "yellow": N_("Yellow"), "blue": N_("Blue")}
GRADE = {
    "red": N_("extremely severe"),
    "orange": N_("severe"),
    "yellow": N_("fairly severe"),
    "blue": N_("moderate"),
}


def priority(alert: Alert) -> str:
    return "drill" if alert.status == "Exercise" else rules.RELAYED[alert.info("zh").colour]


def colour(alert: Alert, lang: str) -> str:
    """`红色(特别严重)`: always a word, never the colour alone. Empty where the issuer gave none."""
    said = alert.info("zh").colour
    if not said:
        return ""
    word, grade = translate(COLOUR[said], lang), translate(GRADE[said], lang)
    return translate("{colour} ({grade})", lang).format(colour=word, grade=grade)


def title(alert: Alert, lang: str) -> str:
    info = alert.info(lang)
    text = info.headline or translate("{sender}: {event}", lang).format(sender=info.sender_name, event=info.event)
    if alert.status == "Exercise":
        text = translate("[Exercise] {title}", lang).format(title=text)
    return text if len(text) <= rules.TITLE_CHARS_MAX else f"{text[: rules.TITLE_CHARS_MAX - 1]}…"


def text(alert: Alert, lang: str, zone: str) -> str:
    info = alert.info(lang)
    body = "\n".join(part for part in (info.description, info.instruction) if part) or info.event
    most = rules.TEXT_CHARS_MAX - _ROOM_CHARS
    return "\n".join([body if len(body) <= most else f"{body[:most]}…", *_foot(alert, info, lang, zone)])


def words(alert: Alert, areas: Sequence[str], zone: str, now: datetime) -> Words:
    """The draft of a relay. English only where the issuer wrote it."""
    english = alert.info("en").language.lower().startswith("en")
    loud = priority(alert)
    most = now + timedelta(days=rules.VALID_DAYS_MAX)
    end = alert.expires() or now + rules.VALID[loud]
    return Words(
        kind=KIND, title=title(alert, "zh"), text=text(alert, "zh", zone), audience=Audience.of({"areas": list(areas)}),
        priority=loud, title_en=title(alert, "en") if english else "",
        text_en=text(alert, "en", zone) if english else "",
        issuer=(alert.info("zh").sender_name or alert.identity.sender)[:60], contact=alert.info("zh").contact[:60],
        expires=min(end, most),
    )  # fmt: skip


def _foot(alert: Alert, info: Info, lang: str, zone: str) -> list[str]:
    sent = alert.identity.sent.astimezone(ZoneInfo(zone))
    who = info.sender_name or alert.identity.sender
    lines = [translate("Issued by {issuer}, {at}", lang).format(issuer=who, at=f"{sent:%Y-%m-%d %H:%M}")]
    if level := colour(alert, lang):
        lines.insert(0, translate("Warning level: {level}", lang).format(level=level))
    return lines
