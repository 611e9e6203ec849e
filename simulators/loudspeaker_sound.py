"""Sound as a loudspeaker makes it: a chime, a voice, silence between; 16 bit, one channel, into a file as it plays."""

from __future__ import annotations

import io
import math
import sys
import wave
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RATE = 22_050  # the machine voice's own
CHIME_S, PAUSE_S, CHUNK_S = 1.2, 0.8, 0.1  # how quickly it falls silent is one chunk
_CHIME = ((659.3, 0.0), (523.3, 0.45))  # ding, dong: hertz, and when it is struck
_LOUD = 0.45


@dataclass(frozen=True, slots=True)
class Voice:
    """Something to play: `kind` is clip, machine, or chime when there is no voice."""

    kind: str
    rate: int
    samples: bytes

    @property
    def seconds(self) -> float:
        return len(self.samples) / 2 / self.rate


def read(data: bytes) -> tuple[int, bytes]:
    """Rate and samples of a WAV file that is 16 bit and one channel; ValueError for any other."""
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            if (file.getsampwidth(), file.getnchannels()) != (2, 1):
                raise ValueError("16 bit, one channel")
            return file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as fault:
        raise ValueError("no WAV file") from fault


@cache
def chime(rate: int) -> bytes:
    """Two struck tones that fade: everybody knows that something will be said."""
    made = array("h")
    for place in range(int(CHIME_S * rate)):
        at = place / rate
        struck = [(hertz, at - since) for hertz, since in _CHIME if at >= since]
        made.append(
            int(_LOUD * 20_000 * sum(math.exp(-4 * past) * math.sin(math.tau * hertz * past) for hertz, past in struck))
        )
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def programme(voice: Voice, times: int) -> Iterator[bytes]:
    """Chunk by chunk: chime, then the words as often as they shall be said."""
    silence = bytes(2 * int(PAUSE_S * voice.rate))
    whole = chime(voice.rate) + (silence + voice.samples) * (times if voice.samples else 0)
    step = 2 * int(CHUNK_S * voice.rate)
    for start in range(0, len(whole), step):
        yield whole[start : start + step]


class Tape:
    """What came out of the horn, as a file that is whole whenever it is closed."""

    def __init__(self, path: Path, rate: int) -> None:
        self._file, self._rate, self._bytes = wave.open(str(path), "wb"), rate, 0  # noqa: SIM115 - closed by `close`
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)

    def play(self, chunk: bytes) -> None:
        self._file.writeframes(chunk)
        self._bytes += len(chunk)

    def close(self) -> float:
        self._file.close()
        return self._bytes / 2 / self._rate
