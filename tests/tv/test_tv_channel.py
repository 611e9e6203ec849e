"""The community's channel as players fetch it: what is listed, what it shows, and what may go wrong around it."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from channels import tv_codec, tv_picture
from channels.tv import CHARS_READ_PER_S
from channels.tv_picture import Sheet, Type
from channels.tv_stream import PICTURES, VIDEO_PID, WRAP
from hub import font, slides
from hub.civic.notices import desk
from hub.civic.television import studio
from hub.civic.television.headlines import headlines
from hub.civic.television.library import Library
from hub.civic.television.station import sheets_of, written
from hub.civic.television.studio import Spoken
from hub.civic.television.timetable import LISTED, Entry
from hub.clock import ManualClock
from hub.settings import STATE
from hub.slides import Slide
from simulators.transport_stream import Stream
from tests.conftest import needs
from tests.tv.channel import SEGMENT_S, Tuned, tuned
from tests.tv.pictures import apart, colour, decoded, loudest
from tests.world import LIUHE, START, TAYING

pytestmark = pytest.mark.anyio
PAGE = (64, 160, 1216, 610)
NAME = (64, 40, 700, 130)
CLOCK = (900, 630, 1216, 690)
CARD = (640, 610)  # below the lines: the ground of the page
LONG = "因管道检修，请提前储水。" * 170


def letters() -> Type:
    otf = font.files(STATE).otf
    return Type(otf if otf.exists() else None)


def numbers(names: list[str]) -> list[int]:
    return [int(name.partition("-")[0]) for name in names]


def red(data: bytes) -> bool:
    seen = colour(decoded(data)[0], CARD)
    return seen[0] > 120 and seen[1] < 60


def clock(tv: Tuned) -> ManualClock:
    assert isinstance(tv.clock, ManualClock)
    return tv.clock


@needs("ffmpeg")
async def test_a_watch_through_the_wrap_of_its_time_stamps_plays_without_a_warning(tmp_path: Path) -> None:
    seconds = 300 if os.environ.get("LINLI_TEST_LONG") == "1" else 30
    cycle = WRAP / 90_000
    start = START.fromtimestamp((START.timestamp() // cycle) * cycle + cycle - seconds / 2, START.tzinfo)
    async with tuned(tmp_path, clock=ManualClock(start)) as tv:
        tv.office.released()
        data = await tv.watch(seconds)
    read = Stream()
    read.feed(data)
    stamps = read.pts(VIDEO_PID)
    assert any(after < before for before, after in pairwise(stamps)), "the wrap was not met"
    assert read.faults() == []
    assert ffmpeg_says(data) == ""


def ffmpeg_says(data: bytes) -> str:
    words = ["ffmpeg", "-v", "warning", "-f", "mpegts", "-i", "-", "-f", "null", "-"]
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    assert done.returncode == 0
    return done.stderr.decode()


async def test_a_page_reads_on_the_set_as_it_was_drawn_below_the_name_and_above_the_clock(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        notice = tv.office.released()
        shown = decoded(await tv.bytes_of((await tv.names())[-1]), 12)
        assert notice.title == "停水通知"
    type_ = letters()
    lines = ("因管道检修,明天8:00至12:00", "停水。", "联系电话：0724-1000001", "浏河社区居委会", "2026年11月22日 09:00")
    drawn = tv_picture.sheet(Sheet("停水通知", lines), type_)
    assert apart(shown[0], drawn, PAGE) < 4
    assert (
        apart(
            shown[0].crop((0, 0, 1280, 144)), tv_picture.name(tv_picture.Name("浏河社区", "社区电视频道"), type_), NAME
        )
        < 4
    )
    assert apart(shown[0], tv_picture.hour(tv_picture.Hour("11月22日 星期日", "09:00"), type_), CLOCK) < 4
    assert apart(shown[0], shown[11], (0, 0, 1280, 720)) < 0.5, "a page that stands must not creep"


async def test_a_listed_segment_keeps_its_bytes_and_an_emergency_is_alone_from_the_next_one(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        tv.office.released()
        before = await tv.names()
        was = [await tv.bytes_of(name) for name in before]
        notice = tv.alarm()
        assert await tv.names() == before, "what is listed stands"
        clock(tv).advance(SEGMENT_S)
        after = await tv.names()
        assert after[:-1] == before[1:]
        assert [await tv.bytes_of(name) for name in before] == was
        assert not red(await tv.bytes_of(before[-1]))
        for _turn in range(6):
            assert red(await tv.bytes_of((await tv.names())[-1])), "something stands beside an emergency"
            clock(tv).advance(SEGMENT_S)
        tv.office.store.write_now(lambda tx: desk.retract(tx, tv.office.publisher, notice.id, "It was a mistake"))
        listed = await tv.names()
        assert not red(await tv.bytes_of(listed[-1])), "withdrawn, and still on the sets"
        assert red(await tv.bytes_of(listed[-2]))


async def test_a_city_notice_is_coded_once_for_all_its_communities(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        tv.alarm()
        await tv.names(LIUHE)
        studio = tv.station.studio
        coded = studio.coded
        await tv.names(TAYING)
        assert studio.coded == coded + 2, "only the other community's name and its own page"


async def test_two_thousand_characters_end_on_pages_a_room_can_read(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        tv.office.released(text=LONG)
        shown = tv.office.store.read_now(lambda read: slides.gather(read, LIUHE, tv.hub.modules))
        await tv.names()
    sheets = sheets_of(shown)
    assert [sheet.mark for sheet, _seconds in sheets] == [f"{place}/8" for place in range(1, 9)]
    assert max(len(line) for sheet, _seconds in sheets for line in sheet.lines) <= 18
    assert max(len(sheet.lines) for sheet, _seconds in sheets) <= 5
    assert all(seconds >= sum(map(len, sheet.lines)) / 4 for sheet, seconds in sheets), "too quick for old eyes"
    assert "全文请看手机" in "".join(sheets[-1][0].lines), "what is left out is said to be elsewhere"


@needs("ffmpeg")
async def test_headlines_run_below_no_quicker_than_they_are_read_and_stop_for_an_emergency(tmp_path: Path) -> None:
    async with tuned(tmp_path, config={"tv.crawl": "1"}) as tv:
        tv.office.released()
        data = await tv.watch(SEGMENT_S)
        tv.alarm()
        clock(tv).advance(SEGMENT_S)
        alone = decoded(await tv.bytes_of((await tv.names())[-1]), 12)
    assert ffmpeg_says(data) == ""
    shown = decoded(data, 10_000)
    band = [each.crop((0, 624, 1280, 720)) for each in shown]
    step = tv_picture.CRAWL_STEP
    assert step / tv_picture.CRAWL_PX * PICTURES / SEGMENT_S <= CHARS_READ_PER_S
    moved = [
        apart(later.crop((0, 0, 1280 - step, 96)), before.crop((step, 0, 1280, 96)), (0, 0, 1280 - step, 96))
        for before, later in pairwise(band)
    ]
    assert max(moved) < 4, "from picture to picture, also from segment to segment, it moves by one step"
    assert apart(band[0], band[-1], (0, 0, 1280, 96)) > 1, "nothing runs"
    assert apart(shown[1], shown[11], (0, 0, 1280, 624)) < 0.5, "the page above stands"
    assert colour(alone[0], CARD)[0] > 120
    assert apart(alone[0], alone[11], (0, 624, 1280, 720)) < 0.5, "something runs beside an emergency"


def test_headlines_begin_with_what_matters_and_end_before_anybody_leaves() -> None:
    def slide(text: str, **more: object) -> Slide:
        return Slide("n", "停水通知", (), badge="重要", order=10, text=text, **more)  # type: ignore[arg-type]

    assert headlines([slide("尊敬的居民朋友：\n明天停水。")], "zh") == "重要 停水通知：明天停水。"
    assert headlines([slide("各位：")], "zh") == "重要 停水通知：各位："
    many = headlines([slide("字" * 500)] * 12, "zh")
    assert len(many) < 300
    assert many.count("停水通知") > 1
    assert headlines([slide("x"), slide("y", covers=True)], "zh") == "", "nothing runs beside an emergency"


async def test_a_place_without_notices_greets_and_tells_the_time(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        first = decoded(await tv.bytes_of((await tv.names(TAYING))[-1], TAYING))[0]
        clock(tv).advance(90)
        later = decoded(await tv.bytes_of((await tv.names(TAYING))[-1], TAYING))[0]
    assert apart(first, later, PAGE) < 0.5
    assert apart(first, later, CLOCK) > 1


async def test_a_clock_that_is_set_back_never_turns_the_channel_back(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        seen = numbers(await tv.names())
        clock(tv).set(START - timedelta(hours=3))
        clock(tv).advance(SEGMENT_S)
        seen += numbers(await tv.names())
        clock(tv).set(START + timedelta(hours=5))
        seen += numbers(await tv.names())
    assert seen[6:12] == [number + 1 for number in seen[:6]]
    assert seen[12] > seen[11] + 9_000, "a clock that is set forward is followed"


async def test_a_segment_is_served_in_its_own_community_and_its_own_minutes_only(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        name = (await tv.names())[-1]
        forged = name.replace(name.split("-")[0], str(int(name.split("-")[0]) + 1))
        for path in (f"/tv/{TAYING}/{name}", f"/tv/{LIUHE}/{forged}", f"/tv/{LIUHE}/1.ts", f"/tv/{LIUHE}/----.ts"):
            assert (await tv.net.get(path)).status_code == 404, path
        clock(tv).advance(60)
        assert (await tv.net.get(f"/tv/{LIUHE}/{name}")).status_code == 200, "a slow set still gets what it asks for"
        clock(tv).advance(90)
        assert (await tv.net.get(f"/tv/{LIUHE}/{name}")).status_code == 404
        assert numbers(await tv.names())[0] > int(name.split("-")[0]), "and goes on with what is on now"
        assert (await tv.net.get("/tv/420802000000/live.m3u8")).status_code == 404, "a district has no channel"


def test_a_player_is_told_to_begin_nearer_than_its_own_rule_and_far_enough_to_wait_for_the_next_segment() -> None:
    entries = [Entry(900 + place, "page", "", 0) for place in range(LISTED)]
    lines = written(entries, {each.number: f"{each.number}-x" for each in entries}).decode().splitlines()
    tags = dict(line.removeprefix("#EXT-X-").split(":", 1) for line in lines if line.startswith("#EXT-X-"))
    target, behind = int(tags["TARGETDURATION"]), -float(tags["START"].removeprefix("TIME-OFFSET="))
    assert behind < 3 * target, "what every player does by itself"
    assert behind > SEGMENT_S + target + 1, (
        "a segment, a look at the list that came too early, and a second to fetch it"
    )
    assert behind < LISTED * SEGMENT_S


async def test_a_segment_outlives_a_restart(tmp_path: Path) -> None:
    async with tuned(tmp_path) as tv:
        name = (await tv.names())[-1]
        was = await tv.bytes_of(name)
        tv.forget_station()
        assert await tv.bytes_of(name) == was


async def test_a_full_disk_costs_the_channel_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with tuned(tmp_path) as tv:
        monkeypatch.setattr(Path, "write_bytes", full)
        assert decoded(await tv.bytes_of((await tv.names())[-1]))
        assert tv.station.studio.library.trouble == "The disk is full"
        monkeypatch.undo()
        clock(tv).advance(90)
        await tv.names()
        assert tv.station.studio.library.trouble == ""


def test_the_folder_of_coded_pages_stays_within_its_limit_and_a_torn_file_is_made_again(tmp_path: Path) -> None:
    library = Library(tmp_path, disk_bytes_max=20_000, memory_bytes_max=1)
    for place in range(12):
        library.put(f"{place:016x}", (bytes([place]) * 4_000,))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    kept = f"{11:016x}"
    assert Library(tmp_path).get(kept) == (b"\x0b" * 4_000,)
    (tmp_path / kept).write_bytes((tmp_path / kept).read_bytes()[:2_000])
    assert Library(tmp_path).get(kept) is None


def test_a_character_no_font_draws_is_shown_as_a_sign_and_told() -> None:
    type_ = letters()
    private = "\U000f1234"
    pieces = "".join(piece for piece, _face in type_.runs(f"王{private}兰", 40))
    assert pieces == "王〓兰"
    assert type_.lacking == {private}


def test_the_look_has_no_colour_of_its_own() -> None:
    tokens = (Path(__file__).parents[2] / "web/static/tokens.css").read_text(encoding="utf-8")
    named = {tv_picture.GROUND, tv_picture.TEXT, tv_picture.MUTED, tv_picture.GOLD, tv_picture.BAND}
    named |= {*tv_picture.CARDS.values(), *tv_picture.HEADS.values()}
    assert {each for each in named if each not in tokens} == set()


async def test_without_its_extra_the_channel_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tv_codec, "available", lambda: False)
    async with tuned(tmp_path) as tv:
        for path in (f"/tv/{LIUHE}/live.m3u8", "/tv/playlist.m3u", "/tv/guide.xml"):
            answer = await tv.net.get(path, headers={"accept-language": "en"})
            assert answer.status_code == 503
            assert "linli[tv]" in answer.text
        portal = await tv.net.get(f"/tv/{LIUHE}", headers={"accept-language": "zh-CN"})
    assert portal.status_code == 200, "the portal works without it"
    tiles = re.findall(r'class="tile-name">([^<]+)<', portal.text)
    assert tiles == ["通知公告", "社区动态", "积分光荣榜", "活动预告"], "a slice that is not there has no tile"


async def test_read_aloud_a_page_stands_as_long_as_its_voice_and_is_silent_for_whoever_did_not_ask(
    tmp_path: Path,
) -> None:
    async with tuned(tmp_path) as tv:
        tv.office.released(text="因管道检修，明天八点至十二点停水，请提前储水。")
        waited = (await tv.names(voice="1"))[-1]
        assert waited.split("-")[4] == "", "a picture waited for a voice"
        await tv.station.settled()
        clock(tv).advance(SEGMENT_S)
        spoken = (await tv.names(voice="1"))[-1]
        silent = (await tv.names())[-1]
        sizes = {voice: len(await tv.bytes_of(name)) for voice, name in (("aloud", spoken), ("silent", silent))}
        heard, nothing = await tv.bytes_of(spoken), await tv.bytes_of(silent)
    assert spoken.split("-")[1:4] == silent.split("-")[1:4], "the picture is the same"
    assert sizes["aloud"] > sizes["silent"] + 5_000
    assert loudest(heard) > 1_000
    assert loudest(nothing) < 50


async def test_an_emergency_is_struck_before_it_is_read_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Spoken] = []
    monkeypatch.setattr(studio, "VOICE_S_MAX", 0.001)  # no voice is that quick: the chime is heard all the same
    made = studio.spoken
    monkeypatch.setattr(studio, "spoken", lambda wanted: (asked.append(wanted), made(wanted))[1])
    async with tuned(tmp_path) as tv:
        tv.office.released()
        await tv.names(voice="1")
        await tv.station.settled()
        assert [each.chime for each in asked] == [False]
        tv.alarm(text="请立即远离河道。" * 30)
        clock(tv).advance(SEGMENT_S)
        await tv.names(voice="1")
        await tv.station.settled()
        clock(tv).advance(SEGMENT_S)
        struck = await tv.bytes_of((await tv.names(voice="1"))[-1])
        silent = await tv.bytes_of((await tv.names())[-1])
    later = asked[1:]
    assert len(later) > 1
    assert [each.chime for each in later] == [True] + [False] * (len(later) - 1), "once, before the first page"
    assert 0.4 * 32_767 < loudest(struck) < 0.7 * 32_767
    assert loudest(silent) < 50
