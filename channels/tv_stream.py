"""A community's TV channel as MPEG-TS: whole frames into a segment once, and the same segment at any time of day.

A segment is 1.92 s: 12 pictures at 6.25 a second and 90 AAC frames of 1024 samples at 48 kHz, both whole, so nothing
drifts and nothing clicks. Every PID carries a multiple of 16 packets, so its continuity counter runs 0..15 from edge to
edge and any segment joins any other: nobody need remember what a viewer saw before. `retimed` writes the time stamps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

SEGMENT_TICKS = 172_800  # 1.92 s of the 90 kHz clock
SEGMENT_S = SEGMENT_TICKS / 90_000
PICTURES = 12
PICTURE_TICKS = SEGMENT_TICKS // PICTURES
SOUNDS = 90
SOUND_TICKS = SEGMENT_TICKS // SOUNDS
WRAP = 1 << 33  # time stamps begin anew after 26.5 hours
LEAD_TICKS = 63_000  # a player that keeps a decoder's buffer gets each frame 0.7 s before it is due
PACKET_BYTES = 188
PAYLOAD_BYTES = 184
CYCLE = 16  # of the continuity counter
SOUND_PACKS = 16  # so that silence, one packet each, is a whole cycle
PAT_PID, PMT_PID, VIDEO_PID, AUDIO_PID = 0x0000, 0x1000, 0x0100, 0x0101
_AVC, _AAC = 0x1B, 0x0F
_PCR_BYTES = 8  # length, flags and six bytes of clock


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment at time zero, and where in it which time stands."""

    data: bytes
    stamps: tuple[tuple[int, int], ...]  # (offset, ticks): five bytes of PTS
    clocks: tuple[tuple[int, int], ...]  # (offset, ticks): six bytes of PCR


def retimed(segment: Segment, number: int) -> bytes:
    """The segment as the `number`th since the beginning of time."""
    base = number * SEGMENT_TICKS
    data = bytearray(segment.data)
    for at, ticks in segment.stamps:
        data[at : at + 5] = pts_bytes((base + ticks) % WRAP)
    for at, ticks in segment.clocks:
        data[at : at + 6] = pcr_bytes((base + ticks) % WRAP)
    return bytes(data)


def pts_bytes(ticks: int) -> bytes:
    high, middle, low = ticks >> 30, (ticks >> 15) & 0x7FFF, ticks & 0x7FFF
    return bytes((0x21 | high << 1, middle >> 7, (middle << 1 & 0xFE) | 1, low >> 7, (low << 1 & 0xFE) | 1))


def pcr_bytes(ticks: int) -> bytes:
    return ((ticks << 15) | 0x7E00).to_bytes(6, "big")


def mux(pictures: Sequence[bytes], sounds: Sequence[bytes]) -> Segment:
    """Twelve coded pictures, the first of which needs no other, and ninety AAC frames with their ADTS heads."""
    if len(pictures) != PICTURES or len(sounds) != SOUNDS:
        raise ValueError(f"a segment is {PICTURES} pictures and {SOUNDS} sounds")
    writer = _Writer()
    packs = _sound_packs(sounds)
    video = _spread([_packets_least(len(each) + _HEAD_BYTES, clock=True) for each in pictures])
    audio = _spread([_packets_least(len(body) + _HEAD_BYTES, clock=False) for _at, body in packs])
    waiting = iter(zip(packs, audio, strict=True))
    coming = next(waiting, None)
    for place, picture in enumerate(pictures):
        due = place * PICTURE_TICKS
        writer.tables()
        writer.frame(VIDEO_PID, 0xE0, picture, due, video[place], first=place == 0, clock=True)
        if place % 3 == 0:
            writer.tables()  # sixteen in all
        writer.clock(due + PICTURE_TICKS // 2)  # a clock every 80 ms: the standard allows 100
        while coming is not None and coming[0][0] < due + PICTURE_TICKS:
            (at, body), count = coming
            writer.frame(AUDIO_PID, 0xC0, body, at, count, first=False, clock=False)
            coming = next(waiting, None)
    return writer.segment()


_HEAD_BYTES = 14  # of a PES packet that carries a PTS
_SHORT_BYTES = 4  # the least a packet carries


def _sound_packs(sounds: Sequence[bytes]) -> list[tuple[int, bytes]]:
    edges = [SOUNDS * pack // SOUND_PACKS for pack in range(SOUND_PACKS + 1)]
    return [(start * SOUND_TICKS, b"".join(sounds[start:end])) for start, end in pairwise(edges)]


def _packets_least(size: int, *, clock: bool) -> int:
    room = PAYLOAD_BYTES - (_PCR_BYTES if clock else 0)
    return 1 if size <= room else 1 + -(-(size - room) // PAYLOAD_BYTES)


def _spread(least: Sequence[int]) -> list[int]:
    """Packets of each frame, so that all together are whole cycles: the longest frames take one more first."""
    counts = list(least)
    more = -sum(counts) % CYCLE
    longest = sorted(range(len(counts)), key=lambda place: -counts[place])
    for turn in range(more):
        counts[longest[turn % len(longest)]] += 1
    return counts


class _Writer:
    """Packets in order, each PID with its counter from zero."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._stamps: list[tuple[int, int]] = []
        self._clocks: list[tuple[int, int]] = []
        self._counters: dict[int, int] = {}

    def segment(self) -> Segment:
        if any(count % CYCLE for count in self._counters.values()):
            raise ValueError("a counter does not end where the next segment begins")
        return Segment(bytes(self._data), tuple(self._stamps), tuple(self._clocks))

    def tables(self) -> None:
        for pid, table in ((PAT_PID, _PAT), (PMT_PID, _PMT)):
            self._packet(pid, b"\x00" + table + b"\xff" * (PAYLOAD_BYTES - 1 - len(table)), start=True)

    def clock(self, due: int) -> None:
        """A packet without payload: it does not count."""
        after = (self._counters.get(VIDEO_PID, 0) - 1) % CYCLE
        self._data += bytes((0x47, VIDEO_PID >> 8, VIDEO_PID & 0xFF, 0x20 | after))
        self._field(PAYLOAD_BYTES, due, first=False)

    def frame(self, pid: int, stream: int, body: bytes, due: int, count: int, *, first: bool, clock: bool) -> None:
        # Only pictures may leave their length open, and theirs can pass the sixteen bits.
        length = 0 if pid == VIDEO_PID else len(body) + _HEAD_BYTES - 6
        head = bytes((0, 0, 1, stream, length >> 8, length & 0xFF, 0x84, 0x80, 5)) + pts_bytes(due % WRAP)
        whole = head + body
        pieces = _pieces(whole, count, PAYLOAD_BYTES - (_PCR_BYTES if clock else 0))
        opening = next(pieces)
        self._open(pid, PAYLOAD_BYTES - len(opening), due if clock else None, first=first)
        self._stamps.append((len(self._data) + 9, due))
        self._data += opening
        high, low, counter = pid >> 8, pid & 0xFF, self._counters[pid]
        for piece in pieces:
            if len(piece) == PAYLOAD_BYTES:
                self._data += bytes((0x47, high, low, 0x10 | counter % CYCLE)) + piece
            else:
                self._data += bytes((0x47, high, low, 0x30 | counter % CYCLE))
                self._field(PAYLOAD_BYTES - len(piece), None, first=False)
                self._data += piece
            counter += 1
        self._counters[pid] = counter

    def _open(self, pid: int, spare: int, due: int | None, *, first: bool) -> None:
        """The head of a frame's first packet, and what fills it up."""
        self._data += bytes((0x47, 0x40 | pid >> 8, pid & 0xFF, (0x30 if spare else 0x10) | self._next(pid)))
        if spare:
            self._field(spare, due, first=first)

    def _field(self, size: int, due: int | None, *, first: bool) -> None:
        """An adaptation field of just this many bytes: the clock, and filling."""
        if size == 1:
            self._data.append(0)
            return
        self._data += bytes((size - 1, (0x40 if first else 0) | (0x10 if due is not None else 0)))
        if due is not None:
            self._clocks.append((len(self._data), due - LEAD_TICKS))
            self._data += pcr_bytes((due - LEAD_TICKS) % WRAP)
        self._data += b"\xff" * (size - 2 - (6 if due is not None else 0))

    def _packet(self, pid: int, payload: bytes, *, start: bool) -> None:
        self._data += bytes((0x47, (0x40 if start else 0) | pid >> 8, pid & 0xFF, 0x10 | self._next(pid))) + payload

    def _next(self, pid: int) -> int:
        count = self._counters.get(pid, 0)
        self._counters[pid] = count + 1
        return count % CYCLE


def _pieces(whole: bytes, count: int, first_room: int) -> Iterator[bytes]:
    """Full packets, and at the end as many short ones as the cycle needs; the first always holds the whole head."""
    at, room = 0, first_room
    for after in range(count - 1, -1, -1):
        size = min(room, len(whole) - at - after * _SHORT_BYTES)
        yield whole[at : at + size]
        at, room = at + size, PAYLOAD_BYTES


def crc32(data: bytes) -> int:
    """Of the tables: the polynomial of zlib's, run the other way round."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte << 24
        for _bit in range(8):
            rest = (rest << 1 ^ 0x04C11DB7 if rest & 0x80000000 else rest << 1) & 0xFFFFFFFF
    return rest


def _table(ident: int, body: bytes) -> bytes:
    length = len(body) + 9
    head = bytes((ident, 0xB0 | length >> 8, length & 0xFF, 0, 1, 0xC1, 0, 0)) + body
    return head + crc32(head).to_bytes(4, "big")


def _pid(pid: int) -> bytes:
    return (0xE000 | pid).to_bytes(2, "big")


_PAT = _table(0x00, b"\x00\x01" + _pid(PMT_PID))
_PMT = _table(
    0x02,
    _pid(VIDEO_PID) + b"\xf0\x00"
    + bytes((_AVC,)) + _pid(VIDEO_PID) + b"\xf0\x00"
    + bytes((_AAC,)) + _pid(AUDIO_PID) + b"\xf0\x00",
)  # fmt: skip
