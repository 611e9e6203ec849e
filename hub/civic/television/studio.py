"""Where pages become pictures and texts a voice: each once, in a thread of its own, one after the other.

What is wanted is named by what it shows, so the same page is the same file for every community and after any restart.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import channels
from channels import tv_chime, tv_codec, tv_picture
from channels.tv_codec import Coded
from channels.tv_picture import Crawl, Hour, Name, Sheet, Type
from channels.tv_stream import SOUNDS
from hub.civic.television.library import Library

log = logging.getLogger(__name__)
VOICE_S_MAX = 20.0  # of the machine's time for one page
VOICE_CHARS_MAX = 400  # a page holds ninety; beyond it somebody typed past the end


@dataclass(frozen=True, slots=True)
class Spoken:
    """A page read aloud."""

    text: str
    tongue: str  # of channels/loudspeaker_voice.py
    chime: bool = False  # first


Wanted = Sheet | Name | Hour | Crawl | Spoken


class Studio:
    def __init__(self, library: Library, font: Path | None) -> None:
        self.library = library
        self._letters = Type(font)
        self._edition = f"{tv_picture.LOOK} {tv_codec.edition()} {font.stat().st_size if font else 0}"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="linli-tv")
        self._voices = ThreadPoolExecutor(1, thread_name_prefix="linli-tv-voice")  # pictures do not wait behind them
        self._coming: dict[str, asyncio.Future[bool]] = {}
        self._keys: dict[Wanted, str] = {}
        self.coded = 0

    @property
    def lacking(self) -> set[str]:
        """Characters that were shown as a sign, because no font here draws them."""
        return self._letters.lacking

    def key(self, wanted: Wanted) -> str:
        known = self._keys.get(wanted)
        if known is None:
            if len(self._keys) > 50_000:  # a year of a city's pages
                self._keys.clear()
            text = f"{self._edition} {wanted!r}"
            known = self._keys[wanted] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return known

    def has(self, wanted: Wanted) -> bool:
        return self.library.get(self.key(wanted)) is not None

    def held(self, key: str) -> bool:
        return self.library.get(key) is not None

    async def ready(self, wanted: Wanted) -> str:
        """Its key, once it is coded; asked twice at once it is coded once. What cannot be said is an empty sound."""
        key = self.key(wanted)
        while self.library.get(key) is None:
            coming = self._coming.get(key)
            if coming is None:
                loop = asyncio.get_running_loop()
                thread = self._voices if isinstance(wanted, Spoken) else self._thread
                coming = self._coming[key] = asyncio.ensure_future(
                    loop.run_in_executor(thread, self._made, wanted, key)
                )
                coming.add_done_callback(lambda _done: self._coming.pop(key, None))
            await asyncio.shield(coming)
        return key

    def picture(self, key: str) -> Coded | None:
        parts = self.library.get(key)
        return Coded(parts[0], parts[1:]) if parts else None

    def sounds(self, key: str, part: int) -> list[bytes]:
        """The frames of one segment; silence where nothing is said any more."""
        said = self.library.get(key) or () if key else ()
        return tv_codec.loops(said[part * SOUNDS : (part + 1) * SOUNDS], SOUNDS)

    def said_segments(self, key: str) -> int:
        return -(-len(self.library.get(key) or ()) // SOUNDS)

    async def crawl_segments(self, text: str) -> int:
        """How many segments a text takes through the band below."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, tv_picture.crawl_segments, text, self._letters)

    def emblem(self, text: str) -> bytes:
        out = io.BytesIO()
        tv_picture.emblem(text, self._letters).save(out, "PNG")
        return out.getvalue()

    def _made(self, wanted: Wanted, key: str) -> bool:
        if isinstance(wanted, Spoken):
            self.library.put(key, tuple(spoken(wanted)))
            return True
        made = self._drawn(wanted)
        self.library.put(key, (made.heads, *made.slices))
        self.coded += 1
        return True

    def _drawn(self, wanted: Sheet | Name | Hour | Crawl) -> Coded:
        if isinstance(wanted, Crawl):
            return tv_codec.moving(tv_picture.crawl(wanted, self._letters))
        if isinstance(wanted, Sheet):
            return tv_codec.picture(tv_picture.sheet(wanted, self._letters))
        if isinstance(wanted, Name):
            return tv_codec.picture(tv_picture.name(wanted, self._letters))
        return tv_codec.picture(tv_picture.hour(wanted, self._letters))


def spoken(wanted: Spoken) -> list[bytes]:
    """AAC frames of a machine's voice; where the extra `tts` is missing or the voice fails the chime alone, or none."""
    opening = tv_codec.sound(tv_chime.chime(tv_codec.SOUND_HZ), tv_codec.SOUND_HZ) if wanted.chime else []
    voice = Path(channels.__file__).with_name("loudspeaker_voice.py")
    words = [sys.executable, "-I", str(voice), wanted.tongue]
    try:
        done = subprocess.run(
            words, input=wanted.text[:VOICE_CHARS_MAX].encode(), capture_output=True, timeout=VOICE_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        log.warning("a TV page could not be read aloud", extra={"code": done.returncode if done else "time-out"})
        return opening
    with wave.open(io.BytesIO(done.stdout)) as file:
        return opening + tv_codec.sound(file.readframes(file.getnframes()), file.getframerate())
