"""What a weather office says over a day, as CAP 1.2: warnings in the four colours, their updates and ends, and now and
then a Test or an Exercise. Seeded: the same seed and times give the same messages. It only ever speaks to the hub's
door for warnings; what of it reaches a screen, two people there decide.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, SubElement, tostring

CAP = "urn:oasis:names:tc:emergency:cap:1.2"
ATOM = "http://www.w3.org/2005/Atom"
COLOURS = {"蓝": "Minor", "黄": "Moderate", "橙": "Severe", "红": "Extreme"}
OFTEN = {"蓝": 5, "黄": 4, "橙": 2, "红": 1}  # as in life, the loud ones are rare
ENGLISH = {"蓝": "blue", "黄": "yellow", "橙": "orange", "红": "red"}
STANDING_MAX = 2  # an office does not warn of everything at once
HOURS = {"蓝": 12, "黄": 6, "橙": 4, "红": 3}
KINDS = {
    "暴雨": ("rainstorm", "请勿在低洼处停留，检查阳台和屋顶排水。", "Keep away from low ground."),
    "大风": ("gale", "请收好阳台上的花盆和衣物，远离广告牌和临时棚架。", "Bring in what stands on balconies."),
    "高温": ("heat", "老人和孩子午后请少出门，多喝水。", "Stay in after noon and drink water."),
    "大雾": ("fog", "能见度低，出门请走人行道，开车请慢行。", "Drive slowly."),
    "寒潮": ("cold wave", "请添衣保暖，检查燃气和取暖设备的通风。", "Dress warmly and air rooms with gas heaters."),
}


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One message of the office."""

    identifier: str
    sent: datetime
    kind: str  # Alert | Update | Cancel
    status: str  # Actual | Exercise | Test
    what: str
    colour: str
    expires: datetime
    of: tuple[Bulletin, ...] = field(default=(), repr=False)

    @property
    def headline(self) -> str:
        verb = {"Alert": "发布", "Update": "变更为", "Cancel": "解除"}[self.kind]
        return f"{verb}{self.what}{self.colour}色预警"


@dataclass
class Office:
    sender: str
    name: str
    name_en: str
    area: str  # 12 digits: the district it warns for
    area_words: str
    seed: str
    said: list[Bulletin] = field(default_factory=list)
    standing: list[Bulletin] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.seed} weather")

    def speak(self, now: datetime) -> Bulletin:
        """What the office has to say at this moment, by its dice and by what stands."""
        now = now.astimezone(UTC).replace(microsecond=0)
        self.standing = [each for each in self.standing if each.expires > now]
        if not self.said:
            return self.say(now, "Alert", colour="黄")  # a desk that opens has something to decide about
        roll = self._dice.random()
        if self.standing and (roll < 0.5 or len(self.standing) >= STANDING_MAX):
            return self.say(now, "Cancel" if roll < 0.3 else "Update")
        status = "Test" if roll > 0.92 else "Exercise" if roll > 0.82 else "Actual"
        return self.say(now, "Alert", status=status)

    def say(self, now: datetime, kind: str, *, colour: str = "", status: str = "Actual") -> Bulletin:
        """A new warning, or the next word on the oldest that stands."""
        now = now.astimezone(UTC).replace(microsecond=0)
        if colour and colour not in COLOURS:
            raise ValueError(f"colour must be one of {' '.join(COLOURS)}")
        if kind != "Alert" and not self.standing:
            raise ValueError("nothing stands that could be updated or cancelled")
        old = self.standing[0] if kind != "Alert" else None
        if old is not None and kind == "Update":
            colour = colour or self._dice.choice([each for each in COLOURS if each != old.colour])
        colour = colour or (old.colour if old else self._dice.choices(list(OFTEN), list(OFTEN.values()))[0])
        taken = {each.what for each in self.standing}
        made = Bulletin(
            identifier=f"{self.area[:6]}-{len(self.said) + 1:05}-{now:%Y%m%d%H%M%S}",
            # Two messages of one second would be one to a reader who goes by time.
            sent=max(now, self.said[-1].sent + timedelta(seconds=1)) if self.said else now,
            kind=kind,
            status=old.status if old else status,
            what=old.what if old else self._dice.choice([each for each in KINDS if each not in taken]),
            colour=colour,
            expires=now + timedelta(hours=HOURS[colour]),
            of=(old,) if old else (),
        )
        self.said.append(made)
        self.standing = [each for each in self.standing if each is not old]
        if kind != "Cancel" and made.status != "Test":
            self.standing.append(made)
        return made

    def document(self, said: Bulletin) -> bytes:
        return _bytes(self.element(said))

    def feed(self, count: int = 20) -> bytes:
        """The newest messages as an Atom feed, each whole in its entry."""
        return self.atom(self.said[: -count - 1 : -1])

    def atom(self, said: Sequence[Bulletin]) -> bytes:
        top = Element(f"{{{ATOM}}}feed")
        _text(top, ATOM, "id", f"urn:{self.sender}")
        _text(top, ATOM, "title", self.name)
        _text(
            top,
            ATOM,
            "updated",
            max((each.sent for each in said), default=datetime(2026, 1, 1, tzinfo=UTC)).isoformat(),
        )
        for each in said:
            entry = SubElement(top, f"{{{ATOM}}}entry")
            _text(entry, ATOM, "id", f"urn:{self.sender}:{each.identifier}")
            _text(entry, ATOM, "title", each.headline)
            _text(entry, ATOM, "updated", each.sent.isoformat())
            SubElement(entry, f"{{{ATOM}}}content", type="application/cap+xml").append(self.element(each))
        return _bytes(top)

    def element(self, said: Bulletin) -> Element:
        made = Element(f"{{{CAP}}}alert")
        for name, text in (
            ("identifier", said.identifier), ("sender", self.sender), ("sent", _instant(said.sent)),
            ("status", said.status), ("msgType", said.kind), ("scope", "Public"),
            ("note", said.headline if said.kind == "Cancel" else ""),
            ("references", " ".join(f"{self.sender},{each.identifier},{_instant(each.sent)}" for each in said.of)),
        ):  # fmt: skip
            _text(made, CAP, name, text)
        for language in ("zh-CN", "en-US") if said.kind != "Cancel" else ():
            self._info(SubElement(made, f"{{{CAP}}}info"), said, language)
        return made

    def _info(self, made: Element, said: Bulletin, language: str) -> None:
        english, advice, advice_en = KINDS[said.what]
        chinese = language.startswith("zh")
        colour = ENGLISH[said.colour]
        for name, text in (
            ("language", language), ("category", "Met"), ("event", said.what if chinese else english),
            ("responseType", "Prepare"), ("urgency", "Expected"), ("severity", COLOURS[said.colour]),
            ("certainty", "Likely"), ("effective", _instant(said.sent)), ("expires", _instant(said.expires)),
            ("senderName", self.name if chinese else self.name_en),
            ("headline", f"{self.name}{said.headline}" if chinese else f"{self.name_en}: {colour} {english} warning"),
            ("description", f"预计未来{HOURS[said.colour]}小时{self.area_words}有{said.what}天气。"
             if chinese else f"{english.capitalize()} is expected within {HOURS[said.colour]} hours."),
            ("instruction", advice if chinese else advice_en),
        ):  # fmt: skip
            _text(made, CAP, name, text)
        area = SubElement(made, f"{{{CAP}}}area")
        _text(area, CAP, "areaDesc", self.area_words)
        code = SubElement(area, f"{{{CAP}}}geocode")
        _text(code, CAP, "valueName", "CN-DIVISION")
        _text(code, CAP, "value", self.area)


def _instant(at: datetime) -> str:
    """Whole seconds; universal time is -00:00, never Z (CAP 1.2, 3.3.2)."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def _text(above: Element, space: str, name: str, text: str) -> None:
    if text:
        SubElement(above, f"{{{space}}}{name}").text = text


def _bytes(element: Element) -> bytes:
    made: bytes = tostring(element, encoding="utf-8", xml_declaration=True)
    return made
