"""Pictures and sound as a television decodes them (extra `tv`): H.264 main profile and AAC, each coded only once.

A picture is coded as one IDR in fifteen slices of 48 lines, and slices know nothing of each other. So the name of a
community, the page and the clock are coded apart and put together by their lines: a notice to the whole city is coded
once and not 1,557 times, and the clock once a minute for everybody. What follows in a segment are pictures that change
nothing; they are the same bytes for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from channels import tv_slice
from channels.tv_stream import PICTURES

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT = 1280, 720
SLICES = 15
SLICE_LINES = HEIGHT // SLICES
SOUND_HZ = 48_000
SOUND_SAMPLES = 1024
SOUND_BIT_RATE = 64_000  # speech, one voice, twice over: old boxes take two channels for granted
_BLOCKS_A_ROW = WIDTH // 16
_STILL_QUANT, _HOLD_QUANT = 26, 40  # letters stay sharp; what only repeats is never coded again
_START = b"\x00\x00\x00\x01"
_DELIMITER = _START + b"\x09\xf0"


class TvExtraMissing(Exception):
    """The hub runs without the extra `tv`; the sentence says what to install."""

    def __init__(self) -> None:
        super().__init__("the TV channel needs the packages of the extra: install linli[tv]")


@dataclass(frozen=True, slots=True)
class Coded:
    """One picture: its parameter sets, and its slices from the top."""

    heads: bytes
    slices: tuple[bytes, ...]


def edition() -> str:
    """What the bytes depend on besides the picture: another library may code otherwise."""
    try:
        return f"av-{version('av')}-pillow-{version('pillow')}-q{_STILL_QUANT}"
    except PackageNotFoundError:
        raise TvExtraMissing from None


def available() -> bool:
    try:
        edition()
    except TvExtraMissing:
        return False
    return True


def picture(image: Image) -> Coded:
    """The whole picture, or its uppermost bands alone: a slice is known by where it begins, counted from above."""
    (packet,) = _coded([image])
    return _parsed(packet, image.height // SLICE_LINES)


def moving(images: Sequence[Image]) -> Coded:
    """A band that moves, as the lowest slices of a segment's twelve pictures, one after the other.

    What a slice may copy from reaches over its edge, into a page it was not coded with: so nothing is copied.
    """
    rows = images[0].height // SLICE_LINES
    parsed = [_parsed(each, rows) for each in _coded(images, alone=True)]
    counter = tv_slice.counter_bits(parsed[0].heads[len(_START) :])
    found = []
    for place, shown in enumerate(parsed):
        for row, each in enumerate(shown.slices, start=SLICES - rows):
            first_block = row * SLICE_LINES // 16 * _BLOCKS_A_ROW
            found.append(_START[1:] + tv_slice.moved(each[len(_START) - 1 :], first_block, place, counter))
    return Coded(parsed[0].heads, tuple(found))


def access_units(page: Coded, head: Coded, head_rows: int, foot: Coded, foot_rows: int) -> list[bytes]:
    """A segment's twelve pictures: the first `head_rows` slices of one, the last `foot_rows` of one that may move."""
    above = (*head.slices[:head_rows], *page.slices[head_rows : SLICES - foot_rows])
    if len(foot.slices) == SLICES:
        first = _DELIMITER + page.heads + b"".join((*above, *foot.slices[SLICES - foot_rows :]))
        return [first, *(_DELIMITER + b"".join(each) for each in _holds())]
    below = [foot.slices[at : at + foot_rows] for at in range(0, PICTURES * foot_rows, foot_rows)]
    first = _DELIMITER + page.heads + b"".join((*above, *below[0]))
    later = zip(_holds(), below[1:], strict=True)
    return [first, *(_DELIMITER + b"".join((*held[: SLICES - foot_rows], *moved)) for held, moved in later)]


@cache
def _holds() -> tuple[tuple[bytes, ...], ...]:
    """The eleven pictures that change nothing, whatever stands before them."""
    from PIL import Image

    still = Image.new("RGB", (WIDTH, HEIGHT))
    return tuple(_parsed(each, SLICES).slices for each in _coded([still] * PICTURES)[1:])


def _coded(images: Sequence[Image], *, alone: bool = False) -> list[bytes]:
    import av
    from av.video.frame import PictureType

    frames: Any = av.VideoFrame
    coder: Any = av.CodecContext.create("libx264", "w")
    coder.width, coder.height, coder.pix_fmt = images[0].width, images[0].height, "yuv420p"
    coder.time_base, coder.framerate, coder.thread_count = Fraction(4, 25), Fraction(25, 4), 1
    coder.options = {
        "preset": "veryfast",
        "profile": "main",
        "level": "3.1",
        "x264-params": f"slices={images[0].height // SLICE_LINES}:{_PARAMETERS}",
    }
    packets: list[bytes] = []
    last: Image | None = None
    frame: Any = None
    for place, image in enumerate(images):
        if image is not last:
            frame = frames.from_image(image).reformat(
                format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709"
            )
            last = image
        frame.pts, frame.pict_type = place, PictureType.I if alone else PictureType.NONE
        packets += [bytes(each) for each in coder.encode(frame)]
    return packets + [bytes(each) for each in coder.encode(None)]


# No deblocking: it would reach over from one slice into the next, which may be another picture's.
_PARAMETERS = ":".join(
    (
         f"qp={_HOLD_QUANT}", f"ipratio={2 ** ((_HOLD_QUANT - _STILL_QUANT) / 6):.4f}",
        "keyint=infinite", "scenecut=0", "bframes=0", "ref=1", "weightp=0", "mbtree=0", "rc-lookahead=0",
        "sync-lookahead=0", "sliced-threads=0", "no-deblock=1", "force-cfr=1",
        "colorprim=bt709", "transfer=bt709", "colormatrix=bt709",
    )
)  # fmt: skip


def _parsed(packet: bytes, count: int) -> Coded:
    heads, slices = b"", {}
    for unit in _units(packet):
        kind = unit[0] & 31
        if kind in (7, 8):
            heads += _START + unit
        elif kind in (1, 5):
            slices[_first_block(unit) // _BLOCKS_A_ROW * 16 // SLICE_LINES] = _START[1:] + unit
    if sorted(slices) != list(range(count)):
        raise ValueError("the coder cut a picture into other slices than it was told")
    return Coded(heads, tuple(slices[place] for place in range(count)))


def _units(packet: bytes) -> Iterator[bytes]:
    at = packet.find(b"\x00\x00\x01")
    while at >= 0:
        end = packet.find(b"\x00\x00\x01", at + 3)
        yield packet[at + 3 : end if end >= 0 else len(packet)].rstrip(b"\x00")
        at = end


def _first_block(unit: bytes) -> int:
    """The first number of a slice: the macroblock it begins with."""
    bits = int.from_bytes(unit[1:9].ljust(8, b"\x00"), "big")
    zeros = 64 - bits.bit_length()
    return (bits >> (63 - 2 * zeros)) - 1


@cache
def silence() -> bytes:
    """One AAC frame in which nothing is heard."""
    return sound(bytes(2 * SOUND_SAMPLES * 8), SOUND_HZ)[-2]


def sound(samples: bytes, rate: int) -> list[bytes]:
    """16 bit samples of one voice as AAC frames with ADTS heads."""
    import av

    graph = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_HZ, frame_size=SOUND_SAMPLES)
    coder: Any = av.CodecContext.create("aac", "w")
    coder.sample_rate, coder.layout, coder.format, coder.bit_rate = SOUND_HZ, "stereo", "fltp", SOUND_BIT_RATE
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.sample_rate, frame.pts = rate, 0
    frame.planes[0].update(samples)
    packets: list[bytes] = []
    for each in (*graph.resample(frame), *graph.resample(None)):
        packets += [bytes(packet) for packet in coder.encode(each)]
    packets += [bytes(packet) for packet in coder.encode(None)]
    return [_adts(len(each)) + each for each in packets]


def _adts(size: int) -> bytes:
    """AAC-LC, 48 kHz, two channels."""
    length = size + 7
    return bytes((0xFF, 0xF1, 0x4C, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))


def loops(frames: Sequence[bytes], count: int) -> list[bytes]:
    """Exactly `count` frames: what is missing is silence."""
    return [*frames[:count], *([silence()] * (count - len(frames)))]
