"""The list of channels and the guide, as players that know nothing of us take them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.television import guide, lineup
from hub.civic.television.lineup import Station
from hub.slides import Slide
from simulators.tv_box import guide_faults
from simulators.tv_box import lineup as read_list
from tests.tv import players, xmltv
from tests.tv.channel import tuned
from tests.world import LIUHE, START, STREET, TAYING

SET = {"accept-language": "zh-CN"}


@pytest.mark.anyio
async def test_a_player_takes_the_list_and_the_guide_and_finds_the_notice_as_a_programme(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        tv.office.released(title="停水<通知>&\x07")
        found = read_list((await tv.net.get("/tv/playlist.m3u", headers=SET)).text)
        document = (await tv.net.get(found.guide, headers=SET)).content
        part = read_list((await tv.net.get(f"/tv/playlist.m3u?area={STREET}", headers=SET)).text)
        logo = (await tv.net.get(found.entries[0].logo)).content
        missing = await tv.net.get("/tv/playlist.m3u?area=000000000000")
    assert found.wrong == []
    assert [each.name for each in found.entries] == ["塔影社区", "浏河社区"]
    assert [(each.number, each.url) for each in part.entries] == [(2, f"http://localhost/tv/{LIUHE}/live.m3u8")]
    assert guide_faults(document, found.entries) == []
    top = ElementTree.fromstring(document)
    assert xmltv.faults(top) == []
    titles = {(each.get("channel"), each.findtext("title")) for each in top.iter("programme")}
    assert titles == {(f"{LIUHE}.linli", "停水<通知>&"), (f"{TAYING}.linli", "塔影社区今日播报")}
    assert logo.startswith(b"\x89PNG")
    assert missing.status_code == 404


@pytest.mark.anyio
async def test_an_emergency_takes_the_guide_over_as_long_as_it_stands(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        tv.office.released()
        tv.alarm()
        top = ElementTree.fromstring((await tv.net.get(f"/tv/guide.xml?area={STREET}", headers=SET)).content)
    shown = [each.findtext("title") for each in top.iter("programme")]
    assert set(shown[:24]) == {"应急 暴雨红色预警"}


SLIDES = st.builds(
    Slide,
    id=st.text(max_size=3), title=st.text(max_size=20), pages=st.just(()), badge=st.sampled_from(["", "重要"]),
    text=st.text(max_size=30), covers=st.booleans(),
    until=st.one_of(st.none(), st.integers(-3, 40).map(lambda hours: START + timedelta(hours=hours))),
    happens=st.one_of(
        st.none(), st.integers(0, 30).map(lambda at: (START + timedelta(hours=at), START + timedelta(hours=at + 2)))
    ),
)  # fmt: skip


NAMES = st.text("浏河 5-.,;=\"'&<tvg-idA", min_size=1, max_size=12).filter(str.strip)


@given(names=st.lists(st.tuples(NAMES, st.sampled_from(["", "泉口;街道", 'a="b", c'])), min_size=1, max_size=4))
@settings(max_examples=25)
def test_kodi_and_jellyfin_read_whatever_a_place_is_called_as_it_was_meant(names: list[tuple[str, str]]) -> None:
    listed = [Station(f"{place:012d}", place, name, group, "UTC") for place, (name, group) in enumerate(names, start=1)]
    text = lineup.m3u(listed, "http://tv.example")
    address, by_kodi = players.kodi(text)
    assert by_kodi == players.jellyfin(text)
    assert address == "http://tv.example/tv/guide.xml"
    for station, read in zip(listed, by_kodi, strict=True):
        assert (read.id, read.number) == (station.id, str(station.number))
        assert read.url == f"http://tv.example/tv/{station.area}/live.m3u8"
        assert read.logo == f"http://tv.example/tv/{station.area}/logo.png"
        assert len(read.groups) == bool(station.group)
        assert _letters(read.name) == _letters(station.name), "a player shows another name"


def _letters(name: str) -> str:
    """A name without the signs that are set in their wide forms."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name))


@given(
    shown=st.lists(SLIDES, max_size=4),
    seconds=st.integers(0, 2_000_000_000),
    tz=st.sampled_from(["Asia/Shanghai", "Asia/Kolkata", "UTC"]),
)
@settings(max_examples=8)
def test_any_slides_at_any_time_make_a_valid_guide_on_the_half_hour(shown: list[Slide], seconds: int, tz: str) -> None:
    slots = guide.grid(datetime.fromtimestamp(seconds, UTC), 2)
    station = Station(LIUHE, 1, '浏河,"社区"', "泉口", tz)
    document = guide.xmltv([(station, guide.programmes(shown, station.name, slots))], "http://tv.example")
    top = ElementTree.fromstring(document)
    assert xmltv.faults(top) == []
    listed = read_list(lineup.m3u([station], "http://tv.example"))
    assert listed.wrong == []
    assert guide_faults(document, listed.entries) == []


def test_a_slot_never_moves_whatever_is_released_meanwhile() -> None:
    later = START + timedelta(minutes=17)
    early, late = guide.grid(START, 24), guide.grid(later, 24)
    assert set(late) - set(early) <= {early[-1] + guide.SLOT}
    slide = Slide("n", "停水", (), text="x")
    before = guide.programmes([], "浏河", early)
    after = guide.programmes([slide], "浏河", early)
    assert [each.starts for each in before] == [each.starts for each in after]
    assert {each.title for each in after} == {"停水"}
