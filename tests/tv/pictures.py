"""What a set shows and says: the pictures and the sound of a segment, decoded."""

from __future__ import annotations

import array
import io

import av
from PIL import ImageChops
from PIL.Image import Image


def decoded(data: bytes, count: int = 1) -> list[Image]:
    with av.open(io.BytesIO(data), format="mpegts") as stream:
        shown = []
        for frame in stream.decode(video=0):
            shown.append(frame.to_image())
            if len(shown) == count:
                break
    return shown


def colour(image: Image, at: tuple[int, int]) -> tuple[int, int, int]:
    found = image.getpixel(at)
    assert isinstance(found, tuple)
    return (int(found[0]), int(found[1]), int(found[2]))


def apart(one: Image, other: Image, box: tuple[int, int, int, int]) -> float:
    """How far two pictures lie from each other, on average, of 255."""
    difference = ImageChops.difference(one.crop(box).convert("L"), other.crop(box).convert("L"))
    histogram = difference.histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)


def loudest(data: bytes) -> int:
    """The loudest sample of a segment, of 32,767."""
    made = av.AudioResampler(format="s16", layout="mono")
    with av.open(io.BytesIO(data), "r", format="mpegts") as stream:
        frames = [each for frame in stream.decode(audio=0) for each in made.resample(frame)]
    return max(abs(sample) for frame in frames for sample in array.array("h", bytes(frame.planes[0])))
