"""The machine's voice: a program of its own that reads a text from standard input and writes a WAV file to its output.

    python channels/loudspeaker_voice.py cmn < text > spoken.wav

A process, not a function: eSpeak NG keeps one global state and is no thread's friend, and its licence (GPL-3) ends at
the pipe. Nothing of ours is imported, so that it starts in a moment. Without the extra `tts` it says so and exits 3.
"""

from __future__ import annotations

import ctypes
import sys
import wave
from typing import Any

VOICES = {"cmn": "cmn", "yue": "yue", "zh": "cmn", "en": "en"}  # Mandarin, Cantonese
WORDS_A_MINUTE = 145  # the engine's own pace of 175 runs away from old ears
NO_ENGINE = 3  # exit code: there is no voice on this machine
_RETRIEVAL, _UTF8, _RATE, _BY_CHARACTER = 1, 1, 1, 1  # numbers of eSpeak NG's speak_lib.h
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(text: str, voice: str) -> tuple[bytes, int]:
    """Samples (16 bit, one channel) and how many of them make a second."""
    import espeakng_loader

    engine = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = engine.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise OSError("the voice does not start")
    pieces: list[bytes] = []

    def take(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    heard = _CALLBACK(take)
    engine.espeak_SetSynthCallback(heard)
    if engine.espeak_SetVoiceByName(VOICES[voice].encode()) != 0:
        raise OSError(f"there is no voice {voice!r}")
    engine.espeak_SetParameter(_RATE, WORDS_A_MINUTE, 0)
    said = text.encode()
    engine.espeak_Synth(said, ctypes.c_size_t(len(said) + 1), 0, _BY_CHARACTER, 0, _UTF8, None, None)
    engine.espeak_Synchronize()
    engine.espeak_Terminate()
    return b"".join(pieces), rate


def main() -> int:
    voice = sys.argv[1] if len(sys.argv) > 1 else "cmn"
    if voice not in VOICES:
        print(f"voices: {', '.join(VOICES)}", file=sys.stderr)
        return 2
    try:
        samples, rate = speak(sys.stdin.buffer.read().decode(), voice)
    except ModuleNotFoundError:
        print("no voice is installed here: install linli[tts]", file=sys.stderr)
        return NO_ENGINE
    with wave.open(sys.stdout.buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.setnframes(len(samples) // 2)
        file.writeframesraw(samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
