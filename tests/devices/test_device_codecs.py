"""The six checks of a codec (house-style.md), over every file in devices/codecs/. A new format needs no new test."""

from __future__ import annotations

import json
import os
import random
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Codec, DecodeError, EncodeError, Example, Measurement, Value
from devices.codecs import all_codecs, codec, senml
from devices.codes import CODES, KINDS
from devices.fields import covers
from devices.merge import joined
from devices.numbers import sfloat
from devices.pack import Record
from devices.profile import Profile, parse_profile, profile
from devices.units import UNITS, canonical, convertible

CODECS = sorted(all_codecs().values(), key=lambda each: each.ID)
# Every file in devices/codecs/ is tried with so many frames; ten thousand where there is time (LINLI_TEST_LONG=1).
FRAMES = 10_000 if os.environ.get("LINLI_TEST_LONG") else 400
each_codec = pytest.mark.parametrize("unit", CODECS, ids=lambda each: each.ID)
EXAMPLES = [pytest.param(each, one, id=f"{each.ID}-{i}") for each in CODECS for i, one in enumerate(each.EXAMPLES)]
REJECTS = [pytest.param(each, one, id=f"{each.ID}-{one.hex() or 'empty'}") for each in CODECS for one in each.REJECTS]


def generic(unit: Codec) -> Profile:
    return profile(f"generic.{unit.ID}")


def assert_same_to_the_digit(got: Measurement, meant: Measurement) -> None:
    assert got == meant
    assert [value.text for value in got.values + got.orig] == [value.text for value in meant.values + meant.orig]


def broken_frames(unit: Codec, count: int, seed: int) -> list[bytes]:
    """Noise, cut frames, frames with flipped bits or bytes added: what a bad line or a hostile device sends."""
    rng = random.Random(f"{unit.ID}-{seed}")
    seen = [example.payload for example in unit.EXAMPLES] + list(unit.REJECTS)
    frames = []
    for _ in range(count):
        frame = bytearray(rng.choice(seen)) if rng.random() < 0.8 else bytearray(rng.randbytes(rng.randrange(40)))
        for _ in range(rng.randrange(4)):
            match rng.randrange(4):
                case 0:
                    del frame[rng.randrange(len(frame) + 1) :]
                case 1:
                    frame += rng.randbytes(rng.randrange(4))
                case _ if frame:
                    frame[rng.randrange(len(frame))] = rng.choice((0, 7, 8, 127, 128, 255, rng.randrange(256)))
        frames.append(bytes(frame))
    return frames


@pytest.mark.parametrize(("unit", "example"), EXAMPLES)
def test_an_example_frame_means_what_its_codec_promises(unit: Codec, example: Example) -> None:
    got = unit.decode(example.payload, generic(unit))
    assert len(got) == len(example.measurements)
    for one, meant in zip(got, example.measurements, strict=True):
        assert_same_to_the_digit(one, meant)


@pytest.mark.parametrize(("unit", "frame"), REJECTS)
def test_a_rejected_frame_is_refused_in_one_clear_sentence(unit: Codec, frame: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        unit.decode(frame, generic(unit))
    assert refused.value.sentence.format(**refused.value.fields) == str(refused.value)
    assert "{" not in str(refused.value)


@each_codec
def test_a_codec_shows_frames_it_reads_and_frames_it_refuses(unit: Codec) -> None:
    assert len(unit.EXAMPLES) >= 3
    assert len(unit.REJECTS) >= 3
    assert unit.VERSION >= 1


@each_codec
def test_broken_frames_raise_nothing_but_decode_errors(unit: Codec) -> None:
    read = 0
    for frame in broken_frames(unit, FRAMES, seed=1):
        try:
            measurements = unit.decode(frame, generic(unit))
        except DecodeError:
            continue
        for measurement in measurements:
            read += 1
            assert set(measurement.quality_flags) <= set(unit.FLAGS)
            for value in measurement.values:
                assert value.unit == CODES[value.code].unit
    assert read > FRAMES // 100, "the noise never got past the first check, so it proved nothing"


@each_codec
def test_what_is_read_from_any_frame_encodes_and_reads_back_the_same(unit: Codec) -> None:
    for frame in broken_frames(unit, FRAMES // 2, seed=2):
        try:
            measurements = unit.decode(frame, generic(unit))
        except DecodeError:
            continue
        for measurement in measurements:
            assert unit.decode(unit.encode(measurement, generic(unit)), generic(unit)) == [measurement]


@each_codec
def test_units_are_ucum_and_codes_are_known(unit: Codec) -> None:
    for example in unit.EXAMPLES:
        for measurement in example.measurements:
            assert measurement.kind in KINDS
            for value in measurement.values:
                assert value.unit == CODES[value.code].unit
            for value in measurement.orig:
                assert value.unit in UNITS
                assert convertible(value.code, value.unit)


@each_codec
def test_every_flag_is_weighed_by_the_generic_profile_or_known_to_be_harmless(unit: Codec) -> None:
    harmless = {"validated", "fully_qualified", "display_update", "signal_analysis"}
    assert set(unit.FLAGS) - set(generic(unit).quality) <= harmless


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(DecodeError) as refused:
        codec("sig.ffff")
    assert (refused.value.reason, str(refused.value)) == ("unknown-codec", "No codec is named sig.ffff")


def test_a_cuff_that_gave_up_is_a_failed_measurement_without_any_number() -> None:
    frame = bytes.fromhex("16ff07ff07ff07e80706170e230aff070000")
    (measurement,) = codec("sig.2a35").decode(frame, profile("omron-hem9200t"))
    assert measurement.failed
    assert {value.code: (value.text, value.absent_reason) for value in measurement.values} == dict.fromkeys(
        ("sys", "dia", "map", "pulse"), (None, "not-a-number")
    )
    assert measurement.at == datetime(2024, 6, 23, 14, 35, 10)  # noqa: DTZ001


@pytest.mark.parametrize("word", [0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802])
@pytest.mark.parametrize("place", range(4))
def test_no_special_word_becomes_a_number_in_any_field_of_a_cuff(word: int, place: int) -> None:
    fields = [b"\x78\x00", b"\x50\x00", b"\x5d\x00", b"\x48\x00"]
    fields[place] = word.to_bytes(2, "little")
    (measurement,) = codec("sig.2a35").decode(b"\x04" + b"".join(fields), profile("generic.sig.2a35"))
    assert measurement.values[place].value is None
    assert measurement.values[place].absent_reason == sfloat(word)
    assert sum(value.value is None for value in measurement.values) == 1


def test_every_announced_field_is_read_in_its_order() -> None:
    """Each of the 32 flag combinations has its own length; one byte less or more is refused."""
    unit, own = codec("sig.2a35"), profile("generic.sig.2a35")
    parts = [b"\xea\x07\x03\x0f\x08\x1e\x05", b"\x48\x00", b"\x01", b"\x04\x00"]
    for flags in range(32):
        tail = b"".join(part for bit, part in enumerate(parts, start=1) if flags >> bit & 1)
        frame = bytes([flags]) + b"\x78\x00\x50\x00\x5d\x00" + tail
        (got,) = unit.decode(frame, own)
        assert (got.at is not None) == bool(flags & 2)
        assert (got.value("pulse") is not None) == bool(flags & 4)
        assert ("user_index" in got.context) == bool(flags & 8)
        assert bool(got.quality_flags) == bool(flags & 16)
        assert unit.encode(got, own) == frame
        for spoiled, reason in ((frame[:-1], "truncated"), (frame + b"\x00", "trailing-bytes")):
            with pytest.raises(DecodeError) as refused:
                unit.decode(spoiled, own)
            assert refused.value.reason == reason


def test_a_profile_overrules_a_unit_bit_that_lies() -> None:
    text = 'id="x"\nversion=1\nkind="temp"\ntitle_zh="x"\ntitle_en="x"\ncodec={}\nrange={}\noffline_after="1h"\n'
    lying = parse_profile(text + 'clock={zone="+08:00",sync=false}\nunit_override={temp="[degF]"}\n')
    unit = codec("sig.2a1c")
    (measurement,) = unit.decode(bytes.fromhex("00da0300ff"), lying)
    assert [value.text for value in measurement.values] == ["37.0"]
    assert [(value.text, value.unit) for value in measurement.orig] == [("98.6", "[degF]")]
    assert unit.decode(unit.encode(measurement, lying), lying) == [measurement]


def test_a_scale_may_count_in_a_step_of_its_own() -> None:
    """The supplement says 0.005 kg, some scales follow their Weight Scale Feature: the profile decides."""
    text = 'id="x"\nversion=1\nkind="weight"\ntitle_zh="x"\ntitle_en="x"\ncodec={}\nrange={}\noffline_after="1h"\n'
    own = parse_profile(text + 'clock={zone="+08:00",sync=false}\nstep={weight=0.01,height=0.01}\n')
    unit, frame = codec("sig.2a9d"), bytes.fromhex("08581be500a500")
    (measurement,) = unit.decode(frame, own)
    assert [value.text for value in measurement.values] == ["70.00", "22.9", "165.0"]
    assert unit.encode(measurement, own) == frame
    assert "70.00" in next(field for field in unit.fields(frame, own) if field.name == "weight").text.en
    (pounds,) = unit.decode(bytes.fromhex("016c3c"), own)
    assert pounds.said("weight") == Value.of("weight", Decimal("154.68"), "[lb_av]"), "pounds have one step only"
    (usual,) = unit.decode(frame, profile("generic.sig.2a9d"))
    assert usual.values[0].text == "35.000"


def test_a_simulator_cannot_say_what_the_wire_cannot_carry() -> None:
    cuff, own = codec("sig.2a35"), profile("generic.sig.2a35")
    with pytest.raises(EncodeError):
        cuff.encode(Measurement("bp", (Value("sys", Decimal("120.25"), "mm[Hg]"),)), own)
    with pytest.raises(EncodeError):
        codec("sig.2a1c").encode(Measurement("temp", ()), own)


# Measurements a simulator may make up, so that encoders are not only tested with what decoders produced.
sfloats = st.one_of(
    st.decimals(0, 400, places=0).filter(lambda number: number <= 2045),
    st.decimals(0, 200, places=1, allow_nan=False),
    st.sampled_from(["not-a-number", "error", "positive-infinity", "negative-infinity"]),
)
floats = st.one_of(
    st.decimals(-100, 300, places=2, allow_nan=False), st.sampled_from(["not-a-number", "error", "negative-infinity"])
)
times = st.none() | st.datetimes(datetime(1582, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


def in_order(unit: Codec, flags: set[str]) -> tuple[str, ...]:
    return tuple(flag for flag in unit.FLAGS if flag in flags)


@st.composite
def cuff_measurements(draw: st.DrawFn) -> Measurement:
    unit = codec("sig.2a35")
    pressure = draw(st.sampled_from(["mm[Hg]", "kPa"]))
    said = [Value.of(code, draw(sfloats), pressure) for code in ("sys", "dia", "map")]
    if draw(st.booleans()):
        said.append(Value.of("pulse", draw(sfloats), "/min"))
    at = draw(times)
    flags = draw(st.sets(st.sampled_from([flag for flag in unit.FLAGS if flag != "pulse_below_range"])))
    if at is not None:
        flags.discard("clock_not_set")
    user = draw(st.none() | st.integers(0, 254))
    values, orig = canonical(said, generic(unit))
    return Measurement("bp", values, at, in_order(unit, flags), {} if user is None else {"user_index": user}, orig=orig)


@st.composite
def oximeter_measurements(draw: st.DrawFn) -> Measurement:
    unit = codec("sig.2a5e")
    said = [Value.of("spo2", draw(sfloats), "%"), Value.of("pulse", draw(sfloats), "/min")]
    if draw(st.booleans()):
        said.append(Value.of("pi", draw(sfloats), "%"))
    flags = draw(st.sets(st.sampled_from(list(unit.FLAGS))))
    return Measurement("spo2", tuple(said), draw(times), in_order(unit, flags))


@st.composite
def thermometer_measurements(draw: st.DrawFn) -> Measurement:
    unit = codec("sig.2a1c")
    values, orig = canonical([Value.of("temp", draw(floats), draw(st.sampled_from(["Cel", "[degF]"])))], generic(unit))
    at = draw(times)
    flags = () if at is not None or draw(st.booleans()) else ("clock_not_set",)
    site = draw(st.none() | st.sampled_from(["armpit", "ear", "mouth", "eardrum"]))
    return Measurement("temp", values, at, flags, {"site": site} if site else {}, orig=orig)


@settings(max_examples=60, deadline=None)
@given(st.one_of(cuff_measurements(), oximeter_measurements(), thermometer_measurements()))
def test_a_simulated_measurement_survives_the_wire_to_the_digit(measurement: Measurement) -> None:
    unit = codec({"bp": "sig.2a35", "spo2": "sig.2a5e", "temp": "sig.2a1c"}[measurement.kind])
    (got,) = unit.decode(unit.encode(measurement, generic(unit)), generic(unit))
    assert_same_to_the_digit(got, measurement)


@each_codec
def test_every_byte_of_any_frame_stands_in_one_field(unit: Codec) -> None:
    named = 0
    for frame in broken_frames(unit, FRAMES // 2, seed=3):
        found = unit.fields(frame, generic(unit))
        assert covers(found, len(frame))
        named += sum(field.role != "unread" for field in found)
        assert all(field.title.zh and field.title.en and field.text.en is not None for field in found)
    assert named > FRAMES // 4


@each_codec
def test_a_good_frame_has_no_byte_that_nobody_can_name(unit: Codec) -> None:
    for example in unit.EXAMPLES:
        assert not [field for field in unit.fields(example.payload, generic(unit)) if field.role == "unread"]


SCRUBBED = [unit for unit in CODECS if hasattr(unit, "scrub")]


@pytest.mark.parametrize("unit", SCRUBBED, ids=lambda each: each.ID)
def test_what_is_dropped_changes_nothing_of_what_is_read(unit: Codec) -> None:
    for example in unit.EXAMPLES:
        scrubbed = unit.scrub(example.payload, generic(unit))  # type: ignore[attr-defined]
        assert unit.decode(scrubbed, generic(unit)) == unit.decode(example.payload, generic(unit))


@pytest.mark.parametrize("unit", SCRUBBED, ids=lambda each: each.ID)
def test_a_name_and_an_id_number_are_dropped_unseen(unit: Codec) -> None:
    """Also from what cannot be read at all."""
    said = {"name": "王小明", "idcard": "420802196001011234", "patient": {"display": "王小明"}}
    for payload in (json.dumps({**said, "sys": 1}, ensure_ascii=False).encode(), '{"name":"王小明420802'.encode()):
        left = unit.scrub(payload, generic(unit))  # type: ignore[attr-defined]
        assert "王".encode() not in left
        assert b"420802" not in left


def test_a_meter_that_shows_lo_gives_no_number() -> None:
    """Also where an old number stands beside the status bit."""
    frame = bytes.fromhex("0e2c00ea07030f081e05" + "37c0" + "11" + "4000")
    (measurement,) = codec("sig.2a18").decode(frame, profile("generic.sig.2a18"))
    assert (measurement.values[0].value, measurement.values[0].absent_reason) == (None, "negative-infinity")
    assert measurement.quality_flags == ("result_too_low",)


def test_packets_of_two_records_are_never_one_reading() -> None:
    first, own = bytes.fromhex("0210e600ea07030f081e05"), profile("generic.sig.2a9c")
    with pytest.raises(DecodeError) as refused:
        codec("sig.2a9c").decode(first + bytes.fromhex("0015e7004019b036"), own)
    assert refused.value.reason == "other-record"


def test_a_strap_that_beats_fast_sends_several_intervals() -> None:
    """Frames of a Polar H10, published with a question about their second interval."""
    for frame, rate, intervals in (("10482c03", "72", ["793"]), ("10495e039603", "73", ["842", "896"])):
        (measurement,) = codec("sig.2a37").decode(bytes.fromhex(frame), profile("polar-h10"))
        assert [value.text for value in measurement.values] == [rate, *intervals]


RFC_8428 = [
    # 5.1.1 one value; 5.1.2 several with base fields; 5.1.3 several times; 5.1.5 base name with its own unit
    (
        b'[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]',
        [("urn:dev:ow:10e2073a01080063", "Cel", "23.1", "0")],
    ),
    (
        b'[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]',
        [
            ("urn:dev:ow:10e2073a01080063:voltage", "V", "120.1", "0"),
            ("urn:dev:ow:10e2073a01080063:current", "A", "1.2", "0"),
        ],
    ),
    (
        b'[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},'
        b'{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]',
        [
            ("urn:dev:ow:10e2073a0108006:voltage", "V", "120.1", "1276020076.001"),
            ("urn:dev:ow:10e2073a0108006:current", "A", "1.2", "1276020071.001"),
            ("urn:dev:ow:10e2073a0108006:current", "A", "1.3", "1276020072.001"),
        ],
    ),
    (
        b'[{"bn":"2001:db8::2","bt":1.320078429e+09,"n":"/temperature","u":"Cel","v":27.2},{"n":"/humidity","u":"%RH","v":80}]',
        [
            ("2001:db8::2/temperature", "Cel", "27.2", "1320078429"),
            ("2001:db8::2/humidity", "%RH", "80", "1320078429"),
        ],
    ),
]


@pytest.mark.parametrize(("pack", "meant"), RFC_8428)
def test_senml_packs_resolve_as_the_rfc_shows(pack: bytes, meant: list[tuple[str, str, str, str]]) -> None:
    got = senml.resolve(pack)
    assert [(each.name, each.unit, str(each.value), f"{each.time.normalize():f}") for each in got] == meant


def test_senml_sums_bases_and_keeps_words_and_data_apart() -> None:
    got = senml.resolve(
        b'[{"bn":"x:","bv":100,"bs":5,"n":"a","v":1,"s":2},{"n":"b","vb":true},{"n":"c","vs":"open"},{"n":"d","vd":"aGkK"}]'
    )
    assert [(each.value, each.total) for each in got][:1] == [(Decimal(101), Decimal(7))]
    assert [(each.boolean, each.text, each.data, each.value) for each in got][1:] == [
        (True, None, None, None),
        (None, "open", None, None),
        (None, None, "aGkK", None),
    ]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (b'[{"n":"t","u":"Cel","v":23.1,"future_":1}]', "bad-version"),
        (b'[{"n":"t","u":"Cel","v":23.1,"bver":11}]', "bad-version"),
        (b'[{"bver":5,"n":"t","u":"Cel","v":1},{"bver":6,"n":"h","u":"%RH","v":1}]', "bad-version"),
        (b'[{"n":"\\u6e29","u":"Cel","v":1}]', "bad-id"),
    ],
)
def test_senml_refuses_what_the_rfc_has_it_refuse(pack: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        senml.resolve(pack)
    assert refused.value.reason == reason


def test_a_sensor_without_a_clock_says_how_long_ago_it_was() -> None:
    readings = codec("senml").decode(b'[{"n":"t","u":"Cel","v":20,"t":-600}]', profile("generic.senml"))
    assert (readings[0].at, readings[0].context) == (None, {"ago_s": 600})


def test_two_halves_of_one_record_are_merged_within_an_envelope() -> None:
    value, other = bytes.fromhex("162900ea07030f081e0537c011"), bytes.fromhex("062a00ea07030f081e0537c011")
    context, first, second = (
        bytes.fromhex("02290003"),
        bytes.fromhex("0210e600ea07030f081e05"),
        bytes.fromhex("0015e6004019b036"),
    )
    records = [
        Record("sig.2a18", value),
        Record("sig.2a18", other),
        Record("sig.2a34", context),
        Record("sig.2a9c", first),
        Record("sig.2a9c", second),
        Record("sig.2a34", bytes.fromhex("02630001")),
    ]
    whole = joined(records)
    assert [(place, record.payload) for place, record in whole] == [
        (0, value + context),
        (1, other),
        (3, first + second),
        (5, bytes.fromhex("02630001")),
    ]
    (measurement,) = codec("sig.2a18").decode(whole[0][1].payload, profile("generic.sig.2a18"))
    assert measurement.context["meal"] == "fasting"
    assert "part_missing" not in measurement.quality_flags
    assert joined(records[1:2]) == [(0, records[1])]
