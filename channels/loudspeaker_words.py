"""Figures as a voice says them in Chinese: times, dates, telephone numbers, units; so that every voice reads the same.

An engine left alone with `8:30` or `0724-2330110` reads what nobody understands across a village square.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DIGITS = "零一二三四五六七八九"
_TELEPHONE = DIGITS.replace("一", "幺")  # yao: on the telephone yi and qi sound alike
_COUNTED = "个小名位户人次天年周份点种条元件台间家块只辆颗包袋瓶盒张把层项"  # before these two is liang
_UNITS = {
    "℃": "摄氏度", "°C": "摄氏度", "mmHg": "毫米汞柱", "km/h": "公里每小时", "m/s": "米每秒", "mm": "毫米",
    "cm": "厘米", "km": "公里", "kg": "公斤", "kV": "千伏", "㎡": "平方米", "m²": "平方米", "m³": "立方米",
    "mL": "毫升", "ml": "毫升", "min": "分钟", "kW": "千瓦", "m": "米", "g": "克", "L": "升", "h": "小时", "s": "秒",
    "V": "伏", "元": "元", "#": "号",
}  # fmt: skip
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_HALF = r"(凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|夜间|早|晚)?\s*"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"

_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]+@[\w-]+\.[\w.]+", re.ASCII)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_ROOM = re.compile(r"(?<![\d.:])\d{3,4}(?=室|房|号房|路公交)")
_PHONE = re.compile(
    r"(?<![\d.-])(?:\+?86-?)?(?:0\d{2,3}[- ]?\d{7,8}|[48]00-?\d{3}-?\d{4}|1\d{2}[- ]?\d{4}[- ]?\d{4}|1\d{2}-?\d{8}"
    r"|\d{7,8}|1[12]\d{1,4}|9\d{4,5})(?![\d.]|[-:：]\d)"
)
_NAMED_PHONE = re.compile(
    r"(电话|热线|拨打|致电|拨|手机号?|座机|传真|号码|尾号|编号)([为是:：\s]{0,3})(\d[\d -]{1,18}\d)"
)
_DATE = re.compile(r"(?<!\d)(\d{4})\s*[年/.-]\s*(\d{1,2})\s*[月/.-]\s*(\d{1,2})(?:[日号]|(?!\d))")
_YEAR = re.compile(r"(?<!\d)(\d{4})(?=年)")
_CLOCK = re.compile(_HALF + r"(?<!\d)(\d{1,2})[:：](\d{2})(?::\d{2})?(?![\d:：])")
_HOUR = re.compile(_HALF + r"(?<!\d)(\d{1,2})(?:时(?!间|段)|点(?!\d))(?:(\d{1,2})分(?!之)|(半|整))?")
_RANGE = re.compile(rf"({_NUMBER})\s*({_UNIT}|%|％)?\s*[-~～—–]+\s*(-?{_NUMBER})")
_PERCENT = re.compile(rf"({_NUMBER})\s*[%％]")
_DEGREES = re.compile(rf"[-−－](?={_NUMBER}(?:\s*[-~～—–]+\s*-?{_NUMBER})?\s*(?:℃|°C|度|摄氏度))")
_MEASURE = re.compile(rf"({_NUMBER})\s*({_UNIT})(?![A-Za-z])")
_PLAIN = re.compile(_NUMBER)


def said(text: str) -> str:
    """The same sentence without a figure, an address or a unit sign in it."""
    text = text.translate(_FULL_WIDTH)
    for pattern, word in _STEPS:
        text = pattern.sub(word, text)
    return text


def singly(digits: str) -> str:
    """Digit by digit, as one reads out a telephone number, in groups that can be kept in mind."""
    groups = [group for group in re.split(r"\D+", digits) if group]
    if len(groups) == 1 and len(groups[0]) == 11:
        groups = [groups[0][:3], groups[0][3:7], groups[0][7:]]
    return "，".join("".join(_TELEPHONE[int(digit)] for digit in group) for group in groups)


def whole(number: int) -> str:
    """A number up to a hundred million; above that nobody follows, so it is read digit by digit."""
    if number >= 10**8:
        return singly(str(number))
    if number >= 10**4:
        high, low = divmod(number, 10**4)
        rest = "" if low == 0 else ("零" if low < 1000 else "") + _thousands(low)
        return f"{_thousands(high)}万{rest}"
    return _thousands(number)


def moment(half: str, hour: int, minute: int) -> str | None:
    """A time of day in the words of a neighbour; None for what is no time."""
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        return None
    if half:
        hour = hour - 12 if hour > 12 else hour
    else:
        half, hour = _part_of_day(hour), (12 if hour in (0, 12, 24) and hour else hour % 12)
    past = "半" if minute == 30 else "" if minute == 0 else f"{'零' if minute < 10 else ''}{whole(minute)}分"
    return f"{half}{_counted(hour)}点{past}"


def _part_of_day(hour: int) -> str:
    for before, name in ((6, "凌晨"), (9, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上")):
        if hour < before:
            return name
    return "夜里"


def _thousands(number: int) -> str:
    if number == 0:
        return DIGITS[0]
    spoken, gap = "", False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, place)
        if digit == 0:
            gap = bool(spoken)
            continue
        spoken += f"{DIGITS[0] if gap else ''}{DIGITS[digit]}{name}"
        gap = False
    return spoken.removeprefix("一") if spoken.startswith("一十") else spoken


def _counted(number: int) -> str:
    return "两" if number == 2 else whole(number)


def _number(text: str) -> str:
    integer, _dot, fraction = text.replace(",", "").partition(".")
    if len(integer) > 1 and integer.startswith("0"):
        return singly(integer + fraction)
    return whole(int(integer)) + (f"点{''.join(DIGITS[int(digit)] for digit in fraction)}" if fraction else "")


def _on_the_clock(found: re.Match[str]) -> str:
    return moment(found[1] or "", int(found[2]), int(found[3])) or found[0]


def _on_the_hour(found: re.Match[str]) -> str:
    minute = 30 if found[4] == "半" else int(found[3] or 0)
    return moment(found[1] or "", int(found[2]), minute) or found[0]


def _date(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    return f"{_each(year)}年{whole(int(month))}月{whole(int(day))}日"


def _each(digits: str) -> str:
    return "".join(DIGITS[int(digit)] for digit in digits)


def _counted_or_plain(found: re.Match[str]) -> str:
    follows = found.string[found.end() : found.end() + 1]
    before = found.string[found.start() - 1 : found.start()]
    if found[0] == "2" and follows and follows in _COUNTED and before != "第":
        return "两"
    return _number(found[0])


# Figures of any width are figures.
_FULL_WIDTH = {0xFF10 + digit: str(digit) for digit in range(10)}
# The order matters: what is a telephone number, a date or a time must not be taken for a plain figure before.
_STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_TAG, ""),
    (_ADDRESS, ""),
    (_DATE, _date),
    (_NAMED_PHONE, lambda found: f"{found[1]}{found[2]}{singly(found[3])}"),
    (_CLOCK, _on_the_clock),
    (_HOUR, _on_the_hour),
    (_YEAR, lambda found: _each(found[1])),
    (_ROOM, lambda found: _each(found[0])),
    (_PHONE, lambda found: singly(found[0])),
    (_DEGREES, "零下"),
    (_RANGE, lambda found: f"{found[1]}到{found[3].replace('-', '零下')}"),
    (_PERCENT, lambda found: f"百分之{_number(found[1])}"),
    (_MEASURE, lambda found: f"{'两' if found[1] == '2' else _number(found[1])}{_UNITS[found[2]]}"),
    (_PLAIN, _counted_or_plain),
)
