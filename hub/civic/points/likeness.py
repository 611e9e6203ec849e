"""A mark of what a picture shows: the same for a copy that was made smaller, saved anew or turned brighter. Pure.

A difference hash: the picture as 9 x 8 greys, one bit for each that is brighter than its right neighbour. A JPEG need
not be decoded for that: each of its 8 x 8 blocks begins with its mean. We have no picture library and need none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

from hub import media

WIDE, HIGH = 9, 8
ALIKE_BITS_MAX = 9  # of 64: copies stay within eight, different photos part by twenty and more
FLAT = 4  # fewer edges than that is a wall or a black frame: it resembles everything
PNG_PIXELS_MAX = 3_000_000  # each is touched in Python; photos come as JPEG
Grey = list[list[float]]
Picture = tuple[Grey, float, float]  # with its width and height in cells, the last ones perhaps partly


def of(kind: str, body: bytes) -> str:
    """16 hex characters, or nothing where a picture has no features or is of a kind we cannot look into."""
    try:
        grey = _jpeg(body) if kind == media.JPEG else _png(body)
    except (IndexError, KeyError, ValueError, struct.error, zlib.error):
        return ""  # a picture that only its exact copy resembles
    if grey is None or grey[1] < 2 or grey[2] < 2:
        return ""
    bits = "".join("1" if left > right + 0.5 else "0" for row in _shrunk(*grey) for left, right in pairwise(row))
    if not FLAT <= bits.count("1") <= len(bits) - FLAT:
        return ""
    return f"{int(bits, 2):016x}"


def alike(one: str, other: str) -> bool:
    return bool(one and other) and (int(one, 16) ^ int(other, 16)).bit_count() <= ALIKE_BITS_MAX


def _shrunk(grey: Grey, wide: float, high: float) -> Grey:
    """Nine by eight means. A JPEG ends within its last blocks; what pads them is no part of the picture."""
    return [[_mean(grey, _share(y, HIGH, high), _share(x, WIDE, wide)) for x in range(WIDE)] for y in range(HIGH)]


def _mean(grey: Grey, rows: tuple[float, float], columns: tuple[float, float]) -> float:
    """A part that begins within a row or column takes its share of it."""
    (top, bottom), (left, right) = rows, columns
    total = weight = 0.0
    for y in range(int(top), min(len(grey), int(bottom - 1e-9) + 1)):
        tall = min(y + 1, bottom) - max(y, top)
        for x in range(int(left), min(len(grey[0]), int(right - 1e-9) + 1)):
            part = tall * (min(x + 1, right) - max(x, left))
            total, weight = total + part * grey[y][x], weight + part
    return total / weight


def _share(place: int, of_all: int, length: float) -> tuple[float, float]:
    return place * length / of_all, (place + 1) * length / of_all


def _png(body: bytes) -> Picture | None:
    at, packed, head = 8, b"", b""
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        chunk = body[at + 8 : at + 8 + length]
        head, packed = (chunk if kind == b"IHDR" else head), packed + (chunk if kind == b"IDAT" else b"")
        at += 12 + length
    wide, high, depth, colour, _c, _f, laced = struct.unpack(">IIBBBBB", head)
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]  # a palette is a drawing, no photo
    if depth != 8 or laced or wide * high > PNG_PIXELS_MAX:
        return None
    rows, stride, before = zlib.decompressobj().decompress(packed, high * (wide * channels + 1)), wide * channels, b""
    grey: Grey = []
    before = bytes(stride)
    for y in range(high):
        start = y * (stride + 1)
        before = _unfiltered(rows[start], rows[start + 1 : start + 1 + stride], before, channels)
        lit = (
            before
            if channels < 3
            else [sum(each) for each in zip(*(before[c::channels] for c in range(3)), strict=True)]
        )
        grey.append([float(value) for value in (lit[::channels] if channels == 2 else lit)])
    return grey, wide, high


def _unfiltered(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    if kind == 0:
        return row
    if kind == 2:
        return bytes((one + two) & 255 for one, two in zip(row, above, strict=True))
    made = bytearray(row)
    for at, value in enumerate(row):
        left, up = made[at - step] if at >= step else 0, above[at]
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + up) // 2
        else:
            corner = above[at - step] if at >= step else 0
            near = left + up - corner
            guess = min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]
        made[at] = (value + guess) & 255
    return bytes(made)


def _jpeg(body: bytes) -> Picture:
    """The means of the luma blocks. In a progressive picture the first scan holds nothing else."""
    at, tables, frame, restart = 2, {}, (b"", False), 0
    codes: dict[int, dict[tuple[int, int], int]] = {}
    while True:
        kind, (length,) = body[at + 1], struct.unpack_from(">H", body, at + 2)
        segment = body[at + 4 : at + 2 + length]
        at += 2 + length
        if kind == 0xC4:
            codes |= _codes(segment)
        elif kind in (0xC0, 0xC1, 0xC2):
            frame = segment, kind == 0xC2
        elif kind == 0xDD:
            (restart,) = struct.unpack(">H", segment)
        elif kind == 0xDA:
            tables = {segment[1 + 2 * n]: segment[2 + 2 * n] for n in range(segment[0])}
            end = body.rfind(b"\xff\xd9")
            return _scan(body[at : end if end > 0 else len(body)], frame, tables, codes, restart)


def _codes(segment: bytes) -> dict[int, dict[tuple[int, int], int]]:
    """Huffman tables: (length, code) -> symbol."""
    made, at = {}, 0
    while at < len(segment):
        name, counts, code = segment[at], segment[at + 1 : at + 17], 0
        at, table = at + 17, {}
        for length, count in enumerate(counts, 1):
            for _n in range(count):
                table[length, code] = segment[at]
                code, at = code + 1, at + 1
            code <<= 1
        made[name] = table
    return made


def _fast(table: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """The same, asked by the next sixteen bits."""
    made = [(0, 0)] * 65536
    for (length, code), symbol in table.items():
        span = 1 << (16 - length)
        made[code * span : (code + 1) * span] = [(length, symbol)] * span
    return made


def _scan(
    data: bytes,
    frame: tuple[bytes, bool],
    tables: dict[int, int],
    codes: dict[int, dict[tuple[int, int], int]],
    restart: int,
) -> Picture:
    head, progressive = frame
    high, wide = struct.unpack_from(">HH", head, 1)
    parts = [(head[6 + 3 * n], head[7 + 3 * n] >> 4, head[7 + 3 * n] & 15) for n in range(head[5])]
    parts = [each for each in parts if each[0] in tables]
    if len(parts) == 1:
        parts = [(parts[0][0], 1, 1)]
    across, down = max(each[1] for each in parts), max(each[2] for each in parts)
    columns, rows = -(-wide // (8 * across)), -(-high // (8 * down))
    fast = {each: _fast(table) for each, table in codes.items()}
    plan = [
        (n == 0, x, y, fast[tables[part] >> 4], [] if progressive else fast[16 | tables[part] & 15])
        for n, (part, h, v) in enumerate(parts) for y in range(v) for x in range(h)
    ]  # fmt: skip
    grey = [[0.0] * (columns * parts[0][1]) for _row in range(rows * parts[0][2])]
    pieces = _pieces(data) if restart else [data.replace(b"\xff\x00", b"\xff")]
    for number, piece in enumerate(pieces):
        first = number * restart
        last = min(columns * rows, first + restart) if restart else columns * rows
        _blocks(piece, plan, grey, (first, last, columns), parts)
    return grey, wide * parts[0][1] / (8 * across), high * parts[0][2] / (8 * down)


def _pieces(data: bytes) -> list[bytes]:
    """Between the restart marks, without the stuffing."""
    cut, start, at = [], 0, data.find(b"\xff")
    while at >= 0:
        if 0xD0 <= data[at + 1] <= 0xD7:
            cut.append(data[start:at])
            start = at + 2
        at = data.find(b"\xff", at + 2)
    return [each.replace(b"\xff\x00", b"\xff") for each in (*cut, data[start:])]


def _blocks(
    data: bytes, plan: Sequence[tuple[bool, int, int, list[tuple[int, int]], list[tuple[int, int]]]], grey: Grey,
    units: tuple[int, int, int], parts: Sequence[tuple[int, int, int]],
) -> None:  # fmt: skip
    """Walk through every symbol, keep the first of each luma block."""
    data, at = data + bytes(8), 0
    sums, order = [0] * len(parts), [n for n, (_p, h, v) in enumerate(parts) for _i in range(h * v)]
    _name, wide, tall = parts[0]
    first, last, columns = units
    for unit in range(first, last):
        for place, (luma, x, y, means, rest) in enumerate(plan):
            length, size = means[(int.from_bytes(data[at >> 3 : (at >> 3) + 4]) >> (16 - (at & 7))) & 0xFFFF]
            at += length
            if not length or at > 8 * len(data):
                raise ValueError(data[:0])
            if size:
                bits = (int.from_bytes(data[at >> 3 : (at >> 3) + 4]) >> (32 - (at & 7) - size)) & ((1 << size) - 1)
                sums[order[place]] += bits if bits >> (size - 1) else bits - (1 << size) + 1
                at += size
            if luma:
                grey[unit // columns * tall + y][unit % columns * wide + x] = sums[0]
            seen = 1
            while rest and seen < 64:
                length, symbol = rest[(int.from_bytes(data[at >> 3 : (at >> 3) + 4]) >> (16 - (at & 7))) & 0xFFFF]
                if not length:
                    raise ValueError(data[:0])
                at += length + (symbol & 15)
                if symbol == 0:
                    break
                seen += (symbol >> 4) + 1
