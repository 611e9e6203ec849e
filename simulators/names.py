"""Invented names: a common surname and a given name of one weather and one plant word (林春禾)."""

from __future__ import annotations

from hashlib import blake2b

from simulators.chance import draw

SURNAMES = tuple("林王李张刘陈杨黄赵吴周徐孙胡朱高何郭罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏")
# Weather and plants share no character, so a name can be read back into its parts.
WEATHER = tuple("春夏秋冬晴雨雪云岚霁露霜虹曦晨暮朝晓星月")
PLANTS = {"f": tuple("禾兰竹梅荷菊桂莲芷蕙薇蓉芸苗茵茶棠"), "m": tuple("禾松柏桐榆槐柳枫杉麦稻葵芦栗竹樟")}


def given(seed: str, community: str, kind: str, i: int | str, sex: str) -> str:
    value = draw(seed, community, kind, i, "given")
    plants = PLANTS[sex]
    return WEATHER[value % len(WEATHER)] + plants[(value >> 16) % len(plants)]


def surname(seed: str, community: str, kind: str, i: int | str) -> str:
    return SURNAMES[draw(seed, community, kind, i, "surname") % len(SURNAMES)]


class Phones:
    """`100` and 8 digits: never a possible mainland mobile number, and never the same twice in one demo.

    The last seven digits are a permutation of the person's number (7,919,113 shares no factor with 10 million); `digit`
    tells communities apart.
    """

    def __init__(self, seed: str, community: str, digit: int) -> None:
        self._prefix = f"100{digit}"
        self._offset = draw(seed, community, "phone", 0, "offset")

    def of(self, n: int) -> str:
        return f"{self._prefix}{(n * 7_919_113 + self._offset) % 10_000_000:07d}"


def openid(seed: str, community: str, i: int) -> str:
    """28 characters like an official account's openid; says nothing about the person."""
    return "oLiN" + blake2b(f"{seed}|{community}|openid|{i}|id".encode(), digest_size=12).hexdigest()
