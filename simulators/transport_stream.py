"""An MPEG-TS reader as strict as the strictest set: what is in a stream, and all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

PACKET_BYTES = 188
WRAP = 1 << 33
CLOCK_TICKS_MAX = 9_000  # 100 ms between two clocks, says the standard
PICTURE_TICKS_MAX = 45_000  # half a second without a picture is a hole
_AVC, _AAC = 0x1B, 0x0F


@dataclass
class Frame:
    pid: int
    pts: int
    body: bytearray = field(default_factory=bytearray)


@dataclass
class Stream:
    """Packets by PID, frames in the order they began, clocks, and what was wrong. Fed segment by segment."""

    packets: dict[int, int] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    video: int = -1
    audio: int = -1
    _tables: int = -1  # the PID of the programme's own table
    _counters: dict[int, int] = field(default_factory=dict)
    _open: dict[int, Frame] = field(default_factory=dict)

    def feed(self, data: bytes) -> None:
        """One segment: it begins with both tables and a picture that needs no other."""
        begun = len(self.frames)
        for at in range(0, len(data), PACKET_BYTES):
            packet = data[at : at + PACKET_BYTES]
            if len(packet) < PACKET_BYTES or packet[0] != 0x47:
                self.wrong.append(f"no packet at byte {at}")
                return
            self._packet(packet, place=at // PACKET_BYTES)
        pictures = [each for each in self.frames[begun:] if each.pid == self.video]
        if not pictures or not _stands_alone(bytes(pictures[0].body)):
            self.wrong.append("a segment begins with a picture that needs another")

    def pts(self, pid: int) -> list[int]:
        return [each.pts for each in self.frames if each.pid == pid]

    def faults(self) -> list[str]:
        """All that was wrong, the time stamps over segment edges included."""
        found = list(self.wrong)
        for pid, limit in ((self.video, PICTURE_TICKS_MAX), (self.audio, PICTURE_TICKS_MAX)):
            for before, after in pairwise(self.pts(pid)):
                if not 0 < (after - before) % WRAP <= limit:
                    found.append(f"PID {pid:#x}: time runs from {before} to {after}")
        for before, after in pairwise(self.clocks):
            if not 0 < (after - before) % WRAP <= CLOCK_TICKS_MAX:
                found.append(f"the clock runs from {before} to {after}")
        return found

    def forget(self) -> None:
        """Keep the ends only: a box runs for months."""
        self.frames, self.clocks = self.frames[-8:], self.clocks[-2:]

    def _packet(self, packet: bytes, *, place: int) -> None:
        pid, control, counter = (packet[1] & 0x1F) << 8 | packet[2], packet[3] >> 4 & 3, packet[3] & 15
        payload = 4
        if control & 2:
            payload += 1 + packet[4]
            if packet[4] and packet[5] & 0x10:
                self.clocks.append(int.from_bytes(packet[6:12], "big") >> 15)
        if place == 0 and pid != 0:
            self.wrong.append("a segment does not begin with its tables")
        if not control & 1:
            return
        self.packets[pid] = self.packets.get(pid, 0) + 1
        last = self._counters.get(pid)
        if last is not None and counter != (last + 1) % 16:
            self.wrong.append(f"PID {pid:#x} jumps from {last} to {counter}")
        self._counters[pid] = counter
        if payload >= PACKET_BYTES:
            self.wrong.append(f"PID {pid:#x} carries nothing")
        starts = bool(packet[1] & 0x40)
        if pid == 0 or pid == self._tables:
            self._table(pid, packet[payload + 1 :])
        elif pid in (self.video, self.audio):
            self._piece(pid, packet[payload:], starts=starts)

    def _table(self, pid: int, table: bytes) -> None:
        size = 3 + (int.from_bytes(table[1:3], "big") & 0x0FFF)
        if crc32(table[:size]):
            self.wrong.append(f"PID {pid:#x}: a table whose sum is wrong")
            return
        if pid == 0:
            self._tables = int.from_bytes(table[10:12], "big") & 0x1FFF
            return
        at = 12 + (int.from_bytes(table[10:12], "big") & 0x0FFF)
        while at < size - 4:
            kind, where = table[at], int.from_bytes(table[at + 1 : at + 3], "big") & 0x1FFF
            self.video = where if kind == _AVC else self.video
            self.audio = where if kind == _AAC else self.audio
            at += 5 + (int.from_bytes(table[at + 3 : at + 5], "big") & 0x0FFF)

    def _piece(self, pid: int, piece: bytes, *, starts: bool) -> None:
        if not starts:
            if pid in self._open:
                self._open[pid].body.extend(piece)
            return
        if piece[:3] != b"\x00\x00\x01" or len(piece) < 14 or len(piece) < 9 + piece[8]:
            self.wrong.append(f"PID {pid:#x}: half a head")
            return
        raw = piece[9:14]
        pts = (raw[0] >> 1 & 7) << 30 | raw[1] << 22 | (raw[2] >> 1) << 15 | raw[3] << 7 | raw[4] >> 1
        self._open[pid] = Frame(pid, pts, bytearray(piece[9 + piece[8] :]))
        self.frames.append(self._open[pid])


def _stands_alone(picture: bytes) -> bool:
    """Parameter sets and an IDR, and no slice of another kind before it."""
    kinds = []
    at = picture.find(b"\x00\x00\x01")
    while 0 <= at < len(picture) - 3:
        kinds.append(picture[at + 3] & 31)
        at = picture.find(b"\x00\x00\x01", at + 3)
    return {5, 7, 8} <= set(kinds) and 1 not in kinds


@lru_cache(maxsize=64)  # the same few tables come again and again
def crc32(data: bytes) -> int:
    """Nought over a whole table."""
    rest = 0xFFFFFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(7, -1, -1)):
        rest = (rest << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if (rest >> 31) ^ bit else 0)
    return rest
