"""What a file is by its content, and what of it may be shown: pictures lose everything but the picture. Pure.

A name and a browser's word about a type prove nothing. JPEG and PNG are walked segment by segment and written anew
without place, camera, comments and whatever hangs behind the end; a turned photo keeps its turn. A PDF cannot be
rewritten without a library of its own: it is looked through and refused for what could act, and goes out as a download.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from hub.errors import Refused
from hub.i18n import _

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
ENDING = {JPEG: ".jpg", PNG: ".png", PDF: ".pdf"}
FILE_BYTES_MAX = 8 << 20  # a telephone's photo has 3 to 6 MB, a scanned page less
SIDE_PX_MAX = 10_000
PIXELS_MAX = 50_000_000  # what an old phone still opens; a small file can claim a thousand times more
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
# What a picture is made of; text, time, Exif and profiles stay behind.
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"pHYs", b"bKGD"}
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive: what every browser opens
_ACTING = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA|SubmitForm|ImportData|GoToR|AA|OpenAction)\b"
)


@dataclass(frozen=True, slots=True)
class Media:
    type: str
    body: bytes


def read(body: bytes) -> Media:
    """The file as it will be kept, or one sentence about why it is not taken."""
    if not body:
        raise Refused(_("The file is empty"))
    if len(body) > FILE_BYTES_MAX:
        raise Refused(_("A file has at most {n} MB").format(n=FILE_BYTES_MAX >> 20))
    try:
        if body.startswith(_PNG_HEAD):
            return Media(PNG, b"".join(_png(body)))
        if body.startswith(b"\xff\xd8\xff"):
            return Media(JPEG, _jpeg(body))
    except (struct.error, IndexError):
        raise Refused(_("This picture is damaged; save it anew and try again")) from None
    if body.startswith(b"%PDF-"):
        return Media(PDF, _pdf(body))
    raise Refused(_("Pictures (JPEG, PNG) and PDF can be attached; this file is something else"))


def _damaged() -> Refused:
    return Refused(_("This picture is damaged; save it anew and try again"))


def _sized(width: int, height: int) -> None:
    if not (0 < width <= SIDE_PX_MAX and 0 < height <= SIDE_PX_MAX and width * height <= PIXELS_MAX):
        raise Refused(_("This picture is too large to be shown on a phone; make it smaller"))


def _png(body: bytes) -> Iterator[bytes]:
    yield _PNG_HEAD
    at, first = len(_PNG_HEAD), True
    while True:
        length, kind = struct.unpack_from(">I4s", body, at)
        chunk = body[at + 4 : at + 8 + length]
        (check,) = struct.unpack_from(">I", body, at + 8 + length)
        if len(chunk) != length + 4 or zlib.crc32(chunk) != check or first != (kind == b"IHDR"):
            raise _damaged()
        if first:
            _sized(*struct.unpack_from(">II", chunk, 4))
        if kind in _PNG_KEPT:
            yield body[at : at + 12 + length]
        if kind == b"IEND":
            return
        at, first = at + 12 + length, False


def _jpeg(body: bytes) -> bytes:
    made, turn, sized, at = bytearray(), 1, False, 2
    while True:
        at = _marker(body, at)
        kind = body[at]
        if kind == 0xD9:
            break
        at += 1
        if kind in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", body, at)
        segment = body[at : at + length]
        if length < 2 or len(segment) != length:
            raise _damaged()
        at += length
        if kind == 0xE1:
            turn = _turn(segment[2:]) or turn
        elif kind in _FRAMES:
            height, width = struct.unpack_from(">HH", segment, 3)
            _sized(width, height)
            sized = True
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            raise Refused(_("This kind of JPEG is opened by few phones; save the picture anew and try again"))
        if kind in (0xE0, 0xEE) or kind < 0xE0:  # JFIF and Adobe's colours; no Exif, place, thumbnail or comment
            made += bytes((0xFF, kind)) + segment
        if kind == 0xDA:
            start, at = at, _after_scan(body, at)
            made += body[start:at]
    if not sized or b"\xff\xda" not in made:
        raise _damaged()
    return b"\xff\xd8" + _exif(turn) + bytes(made) + b"\xff\xd9"


def _marker(body: bytes, at: int) -> int:
    """Where the marker's second byte stands; fill bytes may come before it."""
    if body[at] != 0xFF:
        raise _damaged()
    while body[at] == 0xFF:
        at += 1
    return at


def _after_scan(body: bytes, at: int) -> int:
    """The end of the coded picture data: the next marker that is neither a stuffed byte nor a restart."""
    while True:
        at = body.find(b"\xff", at)
        if at < 0 or at + 1 >= len(body):
            raise _damaged()
        if body[at + 1] != 0 and body[at + 1] not in _STANDALONE and body[at + 1] != 0xFF:
            return at
        at += 1 if body[at + 1] == 0xFF else 2


def _turn(exif: bytes) -> int:
    """The orientation of an Exif segment; 0 when it does not say."""
    if not exif.startswith(b"Exif\0\0") or exif[6:8] not in (b"II", b"MM"):
        return 0
    order, tiff = ("<" if exif[6:8] == b"II" else ">"), exif[6:]
    try:
        (place,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, place)
        for entry in range(min(count, 64)):
            tag, kind, _n, value = struct.unpack_from(order + "HHIH", tiff, place + 2 + 12 * entry)
            if (tag, kind) == (0x0112, 3):
                return value if 1 <= value <= 8 else 0
    except struct.error:
        return 0
    return 0


def _exif(turn: int) -> bytes:
    """An Exif segment that holds nothing but how the picture is turned."""
    if turn == 1:
        return b""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, turn, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff


def _pdf(body: bytes) -> bytes:
    if b"%%EOF" not in body[-2048:]:
        raise Refused(_("This PDF is incomplete; save it anew and try again"))
    if b"/Encrypt" in body:
        raise Refused(_("This PDF is locked with a password; many phones cannot open it"))
    # #4a is J in a PDF name; what hides in packed streams is not seen here, hence the download instead of a page.
    plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes((int(found[1], 16),)), body)
    if _ACTING.search(plain):
        raise Refused(_("This PDF contains a program or another file; print it to PDF anew and try again"))
    return body
