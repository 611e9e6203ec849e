"""A new vendor is one TOML, a new wire format one file: nothing else is touched, and the hub reads both."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from devices import codecs, topics
from devices import profile as profiles
from devices.base import DecodeError
from devices.codecs import all_codecs, codec
from devices.profile import all_profiles, parse_profile
from hub import readings, registry
from hub.clock import ManualClock
from hub.db import Read, Tx
from hub.ingest import Ingest
from hub.readings import Reading
from hub.registry import Registry
from hub.rng import SeededRng
from hub.uplink import Uplink, Verdict
from tests.world import LIUHE, START, make_store, people

# 某厂 sends the pressures in kPa as text, deep in its JSON, with the resident's name beside them.
VENDOR = """
id = "acme-cuff"
version = 1
kind = "bp"
title_zh = "某厂血压计"
title_en = "Acme monitor"
codec = { "json" = "json.map" }
resolution = { sys = 1, dia = 1, pulse = 1 }
range = { sys = [60, 280], dia = [30, 200], pulse = [30, 220] }
clock = { zone = "+08:00", sync = false }
offline_after = "36h"

[quality]
movement = "bad"

[map]
where = { "head.model" = "AC-1" }
time = { path = "head.at", form = "local" }

[map.values]
sys = { path = "body.bp.0", unit = "kPa" }
dia = { path = "body.bp.1", unit = "kPa" }
pulse = { path = "body.hr", unit = "/min" }

[map.flags]
movement = { path = "body.moved", is = "Y" }
"""
PAYLOAD = (
    '{"head":{"model":"AC-1","at":"2026-11-22 08:29:00"},"body":{"bp":["18.4","11.7"],"hr":72,"moved":"N",'
    '"who":{"name":"王小明","id":"420802196001011234"}}}'
)
FORMAT = '''
"""T=36.6;B=87: a thermometer that sends text."""

import re
from decimal import Decimal

from devices.base import DecodeError, Example, Measurement, Value
from devices.fields import Field, Told, covering

ID, VERSION, KIND, FLAGS = "hut.thermometer-text", 1, "temp", ()


def decode(payload, profile):
    found = re.fullmatch(rb"T=(\\d\\d\\.\\d);B=\\d+", payload)
    if found is None:
        raise DecodeError("not-a-number", field="T")
    return [Measurement(KIND, (Value("temp", Decimal(found[1].decode()), "Cel"),))]


def encode(measurement, profile):
    return f"T={measurement.values[0].value};B=0".encode()


def fields(payload, profile):
    return covering([], len(payload))


EXAMPLES = [Example(b"T=36.6;B=87", (Measurement(KIND, (Value("temp", Decimal("36.6"), "Cel"),)),))]
REJECTS = [b"", b"T=;B=87", b"T=366;B=87"]
'''


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The two folders that are the registries, with room for one file more each."""
    shutil.copytree(profiles._FOLDER, tmp_path / "profiles")
    (tmp_path / "codecs").mkdir()
    monkeypatch.setattr(profiles, "_FOLDER", tmp_path / "profiles")
    monkeypatch.setattr(codecs, "__path__", [*codecs.__path__, str(tmp_path / "codecs")])
    all_profiles.cache_clear()
    all_codecs.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    all_profiles.cache_clear()
    all_codecs.cache_clear()


def test_a_new_blood_pressure_vendor_needs_one_toml_and_no_code(folders: Path) -> None:
    (folders / "profiles" / "acme-cuff.toml").write_text(VENDOR, encoding="utf-8")
    clock = ManualClock(START)
    store = make_store(folders, clock=clock)

    def furnish(tx: Tx) -> None:
        people(tx)
        registry.add_gateway(tx, "h1", LIUHE)
        registry.add_device(tx, "cuff", "h1", "acme-cuff")

    store.write_now(furnish)
    book = Registry(store, clock)
    book.look()
    verdicts: list[Verdict] = []

    async def send() -> None:
        ingest = Ingest(store, book, clock, SeededRng("ids"))
        topic = topics.up(LIUHE, "h1", "cuff", "json.map")
        await ingest.put(Uplink("h1", topic, PAYLOAD.encode(), clock.now(), verdicts.append))
        await ingest.drain()

    asyncio.run(send())
    assert verdicts == [Verdict.STORED]

    def stored(read: Read) -> tuple[str, dict[str, str | None], list[str | None]]:
        row = read.session.execute(select(Reading)).scalars().one()
        now, orig = readings.open_values(read.seal, row.sealed_values)
        return row.quality, {each.code: each.text for each in now}, [each.text for each in orig]

    assert store.read_now(stored) == ("ok", {"sys": "138", "dia": "88", "pulse": "72"}, ["18.4", "11.7"])
    store.close()


def test_a_new_wire_format_is_one_file(folders: Path) -> None:
    (folders / "codecs" / "thermometer_text.py").write_text(FORMAT, encoding="utf-8")
    unit, own = codec("hut.thermometer-text"), profiles.profile("generic.sig.2a1c")
    for example in unit.EXAMPLES:
        assert tuple(unit.decode(example.payload, own)) == example.measurements


def test_another_package_brings_a_format_by_an_entry_point_and_overrules_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An installed distribution, as pip leaves it: two modules, and the file that names them."""
    (tmp_path / "hut_text.py").write_text(FORMAT, encoding="utf-8")
    (tmp_path / "hut_fake.py").write_text(FORMAT.replace("hut.thermometer-text", "sig.2a35"), encoding="utf-8")
    (tmp_path / "hut_half.py").write_text('ID, VERSION = "hut.half", 1', encoding="utf-8")
    known = tmp_path / "hut_codecs-1.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: hut-codecs\nVersion: 1\n")
    names = ("hut_text", "hut_fake", "hut_half", "hut_gone")
    (known / "entry_points.txt").write_text("[linli.codecs]\n" + "".join(f"{name} = {name}\n" for name in names))
    monkeypatch.syspath_prepend(str(tmp_path))
    codecs.foreign_codecs.cache_clear()
    try:
        unit = codec("hut.thermometer-text")
        (example,) = unit.EXAMPLES
        own = profiles.profile("generic.sig.2a1c")
        assert tuple(unit.decode(example.payload, own)) == example.measurements
        assert codec("sig.2a35") is all_codecs()["sig.2a35"], "ours stay ours"
        left_out = {record.codec for record in caplog.records if hasattr(record, "codec")}
        assert left_out == {"hut_fake", "hut_half", "hut_gone"}
        with pytest.raises(DecodeError):
            codec("hut.half")
    finally:
        codecs.foreign_codecs.cache_clear()


def test_a_profile_whose_map_is_broken_says_so() -> None:
    with pytest.raises(ValueError, match="the form lunar of a time"):
        parse_profile(VENDOR.replace('form = "local"', 'form = "lunar"'))
    with pytest.raises(ValueError, match="unknown entries wehre in a map"):
        parse_profile(VENDOR.replace("where =", "wehre ="))
    with pytest.raises(ValueError, match="path is missing"):
        parse_profile(VENDOR.replace('sys = { path = "body.bp.0",', "sys = {"))
