"""The transport stream by itself: any frames, any joint, any hour."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from channels import tv_stream
from channels.tv_stream import (
    AUDIO_PID,
    PICTURE_TICKS,
    PICTURES,
    SEGMENT_TICKS,
    SOUNDS,
    VIDEO_PID,
    WRAP,
    Segment,
    mux,
    retimed,
)
from simulators.transport_stream import CLOCK_TICKS_MAX, Stream

ALONE = bytes((0, 0, 1, 7, 1, 0, 0, 1, 8, 1, 0, 0, 1, 5, 1))  # parameter sets and an IDR, as far as a reader looks


def heard_of(*segments: tuple[Segment, int]) -> Stream:
    stream = Stream()
    for segment, number in segments:
        stream.feed(retimed(segment, number))
    return stream


def frames(seed: int, longest: int, sound: int) -> tuple[list[bytes], list[bytes]]:
    sizes = [longest, *(30 + (seed * place) % 400 for place in range(1, PICTURES))]
    pictures = [bytes((seed + place) % 251 + 3 for place in range(size)) for size in sizes]
    pictures[0] = ALONE + pictures[0]
    return pictures, [bytes([seed % 256]) * (sound + place % 3) for place in range(SOUNDS)]


@given(seed=st.integers(1, 10_000), longest=st.integers(20, 12_000), sound=st.integers(8, 400))
@settings(max_examples=20)
def test_every_segment_ends_its_counters_where_any_other_begins(seed: int, longest: int, sound: int) -> None:
    pictures, sounds = frames(seed, longest, sound)
    segment = mux(pictures, sounds)
    other = mux(*frames(seed + 1, 500, 9))
    heard = heard_of((segment, seed), (other, seed + 1), (segment, seed + 2))
    assert heard.faults() == []
    assert all(count % 16 == 0 for count in heard.packets.values())
    assert set(heard.packets) == {0x0000, 0x1000, VIDEO_PID, AUDIO_PID}
    bodies = [bytes(each.body) for each in heard.frames if each.pid == VIDEO_PID]
    assert bodies[:PICTURES] == pictures, "a picture did not come out as it went in"
    assert b"".join(bytes(each.body) for each in heard.frames if each.pid == AUDIO_PID).startswith(b"".join(sounds))


@given(number=st.one_of(st.integers(0, 1 << 31), st.integers(WRAP // SEGMENT_TICKS - 2, WRAP // SEGMENT_TICKS + 2)))
@settings(max_examples=20)
def test_time_stamps_run_on_from_segment_to_segment_and_through_their_wrap(number: int) -> None:
    segment = mux(*frames(7, 3_000, 9))
    heard = heard_of((segment, number), (segment, number + 1))
    assert heard.faults() == []
    pictures = heard.pts(VIDEO_PID)
    assert pictures[0] == number * SEGMENT_TICKS % WRAP
    assert {(after - before) % WRAP for before, after in pairwise(pictures)} == {PICTURE_TICKS}
    sounds = heard.pts(AUDIO_PID)
    assert sounds[0] == pictures[0]
    assert sum((after - before) % WRAP for before, after in pairwise(sounds)) < 2 * SEGMENT_TICKS
    assert sounds[16] == pictures[PICTURES], "picture and sound drift apart"
    assert max((after - before) % WRAP for before, after in pairwise(heard.clocks)) <= CLOCK_TICKS_MAX
    assert (pictures[0] - heard.clocks[0]) % WRAP == tv_stream.LEAD_TICKS


def test_the_tables_say_where_picture_and_sound_are_and_sum_up() -> None:
    data = retimed(mux(*frames(3, 900, 9)), 1)
    for packet, ident in ((data[:188], 0x00), (data[188:376], 0x02)):
        table = packet[5:]
        size = 3 + (int.from_bytes(table[1:3], "big") & 0x0FFF)
        assert table[0] == ident
        assert tv_stream.crc32(table[:size]) == 0, "a set throws a table away whose sum is wrong"
    assert bytes((0x1B, 0xE1, 0x00)) in data[188:376]
    assert bytes((0x0F, 0xE1, 0x01)) in data[188:376]
    assert [data[at + 1] << 8 | data[at + 2] for at in (0, 188)] == [0x4000, 0x5000]
