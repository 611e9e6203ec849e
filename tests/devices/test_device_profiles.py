"""Profiles: every file is whole, names only what exists, and every codec has a generic one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from devices.base import DecodeError
from devices.codecs import all_codecs, codec
from devices.codes import CODES, KINDS, of_person
from devices.profile import Profile, all_profiles, parse_profile, profile
from devices.units import convertible

each_profile = pytest.mark.parametrize("own", all_profiles().values(), ids=lambda own: own.id)

SMALLEST = """
id = "x"
version = 1
kind = "temp"
title_zh = "体温计"
title_en = "Thermometer"
codec = { "2A1C" = "sig.2a1c" }
range = { temp = [32.0, 42.9] }
clock = { zone = "-03:30", sync = false }
offline_after = "36h"
"""


@pytest.mark.parametrize("codec_id", sorted(all_codecs()))
def test_every_codec_has_a_generic_profile(codec_id: str) -> None:
    generic = profile(f"generic.{codec_id}")
    assert list(generic.codec.values()) == [codec_id]


def test_there_is_a_real_model_of_each_kind_the_spine_measures() -> None:
    real = {own.kind for own in all_profiles().values() if not own.id.startswith("generic.")}
    assert {"bp", "spo2", "temp"} <= real


@each_profile
def test_a_profile_names_only_what_exists(own: Profile) -> None:
    assert own.kind in KINDS
    assert own.title_zh
    assert own.title_en
    flags = {flag for codec_id in own.codec.values() for flag in codec(codec_id).FLAGS}
    assert set(own.quality) <= flags
    assert {*own.ranges, *own.resolution, *own.unit_override} <= set(CODES)
    assert all(convertible(code, unit) for code, unit in own.unit_override.items())
    for code, where in own.map.values.items() if own.map else ():
        assert all(convertible(code, unit) for unit in (where.unit, *(where.units or {}).values()))
    assert own.offline_after_s >= 600
    assert own.verification is None or own.verification.months > 0


@each_profile
def test_a_profile_bounds_every_value_its_codec_can_send(own: Profile) -> None:
    for codec_id in own.codec.values():
        for example in codec(codec_id).EXAMPLES:
            for measurement in example.measurements:
                if not of_person(measurement.kind) and measurement.kind != own.kind:
                    continue  # a meter's control solution, a cuff's battery: nobody's values
                if own.map is None:  # a map reads its own values and no others
                    assert {value.code for value in measurement.values} <= set(own.ranges)
        assert own.map is None or set(own.map.values) <= set(own.ranges)


def test_fifteen_real_models_name_their_sources() -> None:
    real = [own for own in all_profiles().values() if not own.id.startswith("generic.")]
    assert sum(bool(own.source) for own in real) >= 15


def test_numbers_of_a_profile_are_exact() -> None:
    own = parse_profile(SMALLEST)
    assert own.ranges == {"temp": (Decimal("32.0"), Decimal("42.9"))}
    assert own.zone.utcoffset(None) == -timedelta(hours=3, minutes=30)
    assert (own.offline_after_s, own.heartbeat_s, own.session_repeat) == (36 * 3600, None, 1)
    assert own.ref == "x@1"


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        ('kind = "temp"', "", "kind is missing"),
        ('kind = "temp"', 'kind = "temp"\ncolour = "red"', "unknown entries colour"),
        ("[32.0, 42.9]", "[42.9, 32.0]", "upside down"),
        ('"-03:30"', '"Asia/Shanghai"', r"\+08:00"),
        ('"36h"', '"soon"', "36h"),
        ('kind = "temp"', 'kind = "temp"\nquality = { movement = "awful" }', "movement is awful"),
    ],
)
def test_a_broken_profile_says_what_is_wrong(line: str, wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_profile(SMALLEST.replace(line, wrong))


def test_an_unknown_profile_is_refused_by_name() -> None:
    with pytest.raises(DecodeError) as refused:
        profile("acme-1")
    assert refused.value.reason == "unknown-profile"
