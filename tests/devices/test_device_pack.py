"""The envelope: read as built, and refused with one sentence where a lenient reader would guess."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import pack
from devices.base import DecodeError, EncodeError
from devices.pack import Envelope, EnvelopeExample, Record

times = st.none() | st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
records = st.builds(
    Record,
    codec=st.sampled_from(["sig.2a35", "sig.2a5e", "x-1"]),
    payload=st.binary(max_size=40),
    at=times,
    anchor=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
)
envelopes = st.builds(
    Envelope,
    boot=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    seq=st.integers(1, pack.SEQ_MAX),
    sent=times,
    records=st.lists(records, min_size=1, max_size=5).map(tuple),
)
NOISE = (b'"', b"\\", b"[", b"{", b"}", b"1e999", b"-", b"\xff")
HOSTILE = (b'"\\' * 60_000, b'"' * 131_000, b'{"a":"' + b'\\"' * 60_000, b'"' + b"\\" * 131_000)
GOOD = {"boot": "b7", "seq": 1, "records": [{"codec": "sig.2a35", "hex": "00"}]}


@pytest.mark.parametrize("example", pack.EXAMPLES)
def test_an_example_envelope_means_what_it_promises(example: EnvelopeExample) -> None:
    assert pack.parse(example.payload) == example.envelope


@pytest.mark.parametrize("payload", pack.REJECTS, ids=lambda payload: payload[:60].decode("utf-8", "replace"))
def test_a_rejected_envelope_is_refused_in_one_clear_sentence(payload: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        pack.parse(payload)
    assert len(str(refused.value)) < 200
    assert "{" not in refused.value.sentence.format(**refused.value.fields)


@given(envelopes)
def test_building_then_parsing_is_identity(envelope: Envelope) -> None:
    assert pack.parse(pack.build(envelope.boot, envelope.seq, envelope.sent, envelope.records)) == envelope


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_json_is_an_envelope_or_a_decode_error(text: str) -> None:
    for payload in (text, f'{{"boot": {text}, "seq": {text}, "records": {text}}}', f'{{"records": [{text}]}}'):
        with pytest.raises(DecodeError):
            pack.parse(payload.encode())


def test_broken_envelopes_raise_nothing_but_decode_errors() -> None:
    rng = random.Random(1)
    seeds = [example.payload for example in pack.EXAMPLES] + [reject for reject in pack.REJECTS if len(reject) < 500]
    read = 0
    for _ in range(2_000):
        payload = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(payload) + 1)
            if rng.random() < 0.3:
                del payload[at:]
            else:
                payload[at : at + rng.randrange(2)] = rng.choice(NOISE)
        try:
            read += len(pack.parse(bytes(payload)).records)
        except DecodeError as refused:
            str(refused).encode()  # what quarantine stores must be storable
    assert read > 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"boot": None}, "not-text"),
        ({"seq": 0}, "not-an-integer"),
        ({"seq": 1.5}, "not-an-integer"),
        ({"sent": "2026-03-15T08:30:05"}, "bad-time"),
        ({"sent": "2026-03-15"}, "bad-time"),
        ({"sent": "2026-03-15T25:30:05Z"}, "bad-time"),
        ({"sent": "２０２６-03-15T08:30:05Z"}, "bad-time"),
        ({"records": []}, "not-a-list"),
        ({"records": [{"codec": "SIG_2A35", "hex": "00"}]}, "bad-id"),
        ({"records": [{"codec": "done", "hex": "00"}]}, "unknown-codec"),
        ({"records": [{"codec": "sig.2a35", "hex": "0"}]}, "bad-hex"),
        ({"records": [{"codec": "sig.2a35", "hex": "00" * (pack.RECORD_BYTES_MAX + 1)}]}, "not-text"),
        ({"x": [[[[[[[[[]]]]]]]]]}, "too-deep"),
    ],
)
def test_the_reason_names_what_is_wrong(change: dict[str, object], reason: str) -> None:
    assert pack.parse(json.dumps(GOOD).encode()).seq == 1
    with pytest.raises(DecodeError) as refused:
        pack.parse(json.dumps(GOOD | change).encode())
    assert refused.value.reason == reason


def test_brackets_within_a_string_are_no_depth() -> None:
    assert pack.parse(json.dumps(GOOD | {"note": "[" * 100 + '"\\'}).encode()).seq == 1


def test_an_unknown_field_is_ignored_so_that_the_envelope_can_grow() -> None:
    assert pack.parse(json.dumps(GOOD | {"battery": 80, "far": 1e999}).replace("Infinity", "1e999").encode()).seq == 1


def test_times_of_any_zone_become_utc() -> None:
    east = datetime(2026, 3, 15, 8, 30, 5, tzinfo=timezone(timedelta(hours=8)))
    (record,) = pack.parse(pack.build("b", 1, east, [Record("x", b"", east)])).records
    assert record.at == east
    assert record.at.tzinfo is UTC


def test_a_refused_key_is_not_echoed_unless_it_is_a_plain_name() -> None:
    for name, echoed in (("seq", "seq"), ("王小明 13800138000", "?"), ("\\ud800", "?")):
        with pytest.raises(DecodeError) as refused:
            pack.parse(f'{{"{name}": 1, "{name}": 2}}'.encode())
        assert refused.value.fields == {"key": echoed}


@pytest.mark.parametrize("payload", HOSTILE, ids=["open", "quotes", "escapes", "backslashes"])
def test_hostile_quotes_are_read_in_linear_time(payload: bytes) -> None:
    began = process_time()
    with pytest.raises(DecodeError):
        pack.parse(payload)
    assert process_time() - began < 1.0, "quadratic reading takes minutes"


def test_a_gateway_cannot_build_what_the_hub_would_refuse() -> None:
    for boot, seq, envelope_records in (("b", 0, [Record("x", b"")]), ("b", 1, []), ("b/7", 1, [Record("x", b"")])):
        with pytest.raises(EncodeError):
            pack.build(boot, seq, None, envelope_records)
    with pytest.raises(EncodeError):
        pack.build("b", 1, datetime(2026, 1, 1), [Record("x", b"")])  # noqa: DTZ001
