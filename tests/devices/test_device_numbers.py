"""SFLOAT, FLOAT and units: exact, with their precision, and never a number where there is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.base import EncodeError, Value
from devices.codes import CODES, KINDS, mdc
from devices.numbers import float32, float32_word, sfloat, sfloat_word
from devices.units import UNITS, converted, convertible

# HL7 PHD guide, "FLOATS and SFLOATS".
SFLOATS = {0x0002: "2", 0xF014: "2.0", 0xE0C8: "2.00", 0x1002: "20", 0x2002: "200", 0x04D2: "1234", 0x0B2E: "-1234"}
FLOATS = {0x2: "2", 0xFF000014: "2.0", 0xFE0000C8: "2.00", 0x01000002: "20", 0x4D2: "1234", 0x00FFFB2E: "-1234"}
SPECIAL = {
    "positive-infinity": (0x07FE, 0x007FFFFE),
    "not-a-number": (0x07FF, 0x007FFFFF),
    "error": (0x0800, 0x00800000),
    "negative-infinity": (0x0802, 0x00800002),
}


@pytest.mark.parametrize(("word", "text"), SFLOATS.items())
def test_precision_of_an_sfloat_is_kept(word: int, text: str) -> None:
    assert str(sfloat(word)) == text
    assert sfloat(sfloat_word(Decimal(text))) == Decimal(text)


@pytest.mark.parametrize(("word", "text"), FLOATS.items())
def test_precision_of_a_float_is_kept(word: int, text: str) -> None:
    assert str(float32(word)) == text
    assert str(float32(float32_word(Decimal(text)))) == text


@pytest.mark.parametrize(("reason", "words"), SPECIAL.items())
def test_a_special_word_is_a_reason_and_not_a_number(reason: str, words: tuple[int, int]) -> None:
    assert (sfloat(words[0]), float32(words[1])) == (reason, reason)
    assert (sfloat_word(reason), float32_word(reason)) == words


def test_the_reserved_words_are_errors() -> None:
    assert (sfloat(0x0801), float32(0x00800001)) == ("error", "error")


def test_every_sfloat_word_is_its_exact_number_and_encodes_back_to_it() -> None:
    special = {0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802}
    for word in range(0x10000):
        number = sfloat(word)
        assert isinstance(number, str) == (word in special)
        if isinstance(number, str):
            continue
        mantissa, exponent = word & 0xFFF, word >> 12
        mantissa -= 0x1000 if mantissa > 0x7FF else 0
        exponent -= 16 if exponent > 7 else 0
        assert number == Decimal(mantissa).scaleb(exponent)
        assert sfloat(sfloat_word(number)) == number
        assert str(sfloat(sfloat_word(number))) == str(number)


@given(st.integers(0, 0xFFFFFFFF))
def test_every_float_word_is_a_finite_number_or_a_reason(word: int) -> None:
    number = float32(word)
    if isinstance(number, Decimal):
        assert number.is_finite()
        assert float32(float32_word(number)) == number
        assert "E" not in (Value("temp", number, "Cel").text or "")


@pytest.mark.parametrize("number", ["2046", "2047", "-2048", "12.34567", "1E+12", "1E-12", "NaN", "Infinity"])
def test_a_number_is_refused_rather_than_rounded_into_an_sfloat(number: str) -> None:
    with pytest.raises(EncodeError):
        sfloat_word(Decimal(number))


@pytest.mark.parametrize(
    ("code", "value", "unit", "stored"),
    [
        ("sys", "16.0", "kPa", "120"),
        ("dia", "10.7", "kPa", "80"),
        ("temp", "98.6", "[degF]", "37.0"),
        ("temp", "-459.67", "[degF]", "-273.2"),
        ("temp", "31.99", "[degF]", "0.0"),
        ("glucose", "0.00095", "kg/L", "5.27"),
        ("glucose", "0.0055", "mol/L", "5.50"),
        ("glucose", "120", "mg/dL", "6.66"),
        ("cholesterol", "200", "mg/dL", "5.17"),
        ("uric_acid", "0.36", "mmol/L", "360"),
        ("weight", "154.32", "[lb_av]", "70.00"),
        ("height", "1.75", "m", "175.0"),
        ("height", "1680", "mm", "168.0"),
        ("height", "70", "[in_i]", "177.8"),
        ("weight", "62.30", "kg", "62.30"),
    ],
)
def test_a_unit_is_converted_exactly_and_rounded_once(code: str, value: str, unit: str, stored: str) -> None:
    assert str(converted(code, Decimal(value), unit)) == stored


@given(st.integers(0, 0xFFFFFFFF))
def test_no_number_of_the_wire_is_too_strange_to_convert(word: int) -> None:
    number = float32(word)
    if isinstance(number, Decimal):
        assert converted("temp", number, "[degF]").is_finite()
        assert converted("glucose", number, "kg/L").is_finite()


def test_a_value_is_a_number_or_a_reason_never_both_and_never_nan() -> None:
    for value, reason in ((None, None), (Decimal(1), "error"), (Decimal("NaN"), None), (None, "because")):
        with pytest.raises(ValueError, match="sys"):
            Value("sys", value, "mm[Hg]", reason)


def test_the_code_table_is_whole() -> None:
    for code in CODES.values():
        assert code.unit in UNITS
        assert code.zh
        assert code.en
        assert convertible(code.name, code.unit)
    for kind in KINDS.values():
        assert set(kind.needed) <= set(CODES)
    assert (mdc("pulse", "bp"), mdc("pulse", "spo2"), mdc("sys", "bp")) == (149546, 149530, 150021)
    assert not convertible("temp", "kPa")
