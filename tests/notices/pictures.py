"""Small files made by hand for the tests of attachments: what phones and scanners send, and what attackers do."""

from __future__ import annotations

import struct
import zlib

# A whole baseline JPEG of 1 x 1 pixel: tables, frame, scan.
_QUANT = b"\xff\xdb\x00\x43\x00" + bytes([16] * 64)
_FRAME = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
_HUFF = (
    b"\xff\xc4\x00\x14\x00" + b"\x01" + b"\0" * 15 + b"\x00" + b"\xff\xc4\x00\x14\x10" + b"\x01" + b"\0" * 15 + b"\x00"
)
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\xd2\xcf\xff\x00\x20"
PLACE = b"GPS 30.97N 112.20E, Telephone of Wang"


def exif(turn: int, order: str = "II") -> bytes:
    sign = "<" if order == "II" else ">"
    entry = struct.pack(sign + "HHIHH", 0x0112, 3, 1, turn, 0)
    body = order.encode() + struct.pack(sign + "HIH", 42, 8, 1) + entry + struct.pack(sign + "I", 0) + PLACE
    return _segment(0xE1, b"Exif\0\0" + body)


def jpeg(*segments: bytes, tail: bytes = b"", width: int = 1) -> bytes:
    frame = _FRAME[:7] + struct.pack(">H", width) + _FRAME[9:]
    jfif = _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
    return b"\xff\xd8" + jfif + b"".join(segments) + _QUANT + frame + _HUFF + SCAN + b"\xff\xd9" + tail


def comment(text: bytes) -> bytes:
    return _segment(0xFE, text)


def thumbnail() -> bytes:
    return _segment(0xE2, b"MPF\0" + PLACE)


def png(*extra: tuple[bytes, bytes], width: int = 1, tail: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0\x10\x20\x30"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*each) for each in extra) + data + chunk(b"IEND", b"") + tail


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def pdf(extra: bytes = b"") -> bytes:
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog" + extra + b">>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def _segment(kind: int, body: bytes) -> bytes:
    return bytes((0xFF, kind)) + struct.pack(">H", len(body) + 2) + body
