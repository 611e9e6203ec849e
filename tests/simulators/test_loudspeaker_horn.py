"""A simulated loudspeaker, judged by what came out of its horn: the sound itself, and when it fell silent."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import channels
from hub.civic.notices import board
from hub.civic.notices.board import BoardKey
from simulators.line import Address
from simulators.loudspeaker import Loudspeaker, SpeakerSim, speaking
from simulators.loudspeaker_sound import CHIME_S, PAUSE_S
from tests.world import LIUHE, START, TAYING, WAIT_S_MAX, until

pytestmark = pytest.mark.anyio
KEY = BoardKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
MACHINE = (sys.executable, "-I", str(Path(channels.__file__).with_name("loudspeaker_voice.py")))
TONE = (
    sys.executable,
    "-c",
    "import pathlib,sys;sys.stdin.read();sys.stdout.buffer.write(pathlib.Path(sys.argv[1]).read_bytes())",
)


@dataclass
class Pole:
    """One speaker, and a hub's hand that writes boards."""

    speaker: Loudspeaker
    seq: int = 0
    now: datetime = START
    says: dict[str, dict[str, Any]] = field(default_factory=dict)

    def board(self, *, key: BoardKey = KEY, area: str = LIUHE, seq: int | None = None) -> bytes:
        self.seq += 1
        body = {
            "area": area, "seq": self.seq if seq is None else seq, "at": self.now.isoformat(),
            "expires": (self.now + timedelta(hours=24)).isoformat(), "notices": list(self.says.values()),
        }  # fmt: skip
        return board.signed(body, key)

    def wants(self, ident: str, priority: str = "routine", **say: Any) -> None:
        asked = {
            "text": "通知。停水通知。", "times": 1, "round": 1, "from": self.now.isoformat(), "until": None, **say
        }  # fmt: skip
        ends = (self.now + timedelta(hours=12)).isoformat()
        self.says[ident] = {"id": ident, "rev": 1, "priority": priority, "expires": ends, "say": asked}

    def hears(self) -> None:
        self.speaker.hear(self.board())

    async def until(self, result: str, count: int = 1) -> Any:
        async with asyncio.timeout(WAIT_S_MAX):
            return (await self.speaker.until(result, count))[0]

    def sound(self, name: str) -> tuple[int, array[int]]:
        return heard(self.speaker.config.folder / name)


@asynccontextmanager
async def pole(folder: Path, voice: tuple[str, ...] = ()) -> AsyncIterator[Pole]:
    made: list[Pole] = []
    config = SpeakerSim(
        Address("127.0.0.1", 9), "horn-1", "none", LIUHE, "http://127.0.0.1:9", folder, {KEY.id: KEY.public}, voice,
        pace=0.0, now=lambda: made[0].now if made else START,
    )  # fmt: skip
    async with speaking(config) as speaker:
        made.append(Pole(speaker))
        yield made[0]


def heard(path: Path) -> tuple[int, array[int]]:
    with wave.open(str(path), "rb") as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1)
        return file.getframerate(), array("h", file.readframes(file.getnframes()))


def loudness(samples: array[int]) -> float:
    return math.sqrt(sum(value * value for value in samples[::7]) / max(1, len(samples[::7])))


def strength(samples: array[int], rate: int, hertz: float) -> float:
    """How much of one tone is in there (Goertzel)."""
    turn = 2 * math.cos(math.tau * hertz / rate)
    one = two = 0.0
    for value in samples:
        one, two = value + turn * one - two, one
    return math.sqrt(max(0.0, one * one + two * two - turn * one * two)) / len(samples)


def tone(folder: Path, seconds: float = 1.0, hertz: float = 330.0) -> tuple[str, ...]:
    """A voice of one tone, as a program: what a test can recognise in the middle of a file."""
    path = folder / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        count = int(seconds * 16_000)
        file.writeframes(
            array("h", [int(9_000 * math.sin(math.tau * hertz * n / 16_000)) for n in range(count)]).tobytes()
        )
    return (*TONE, str(path))


async def test_a_chime_then_the_words_and_an_emergency_twice(tmp_path: Path) -> None:
    async with pole(tmp_path / "horn", tone(tmp_path)) as it:
        it.wants("n-1", "emergency", times=2)
        it.hears()
        said = await it.until("said")
    rate, samples = it.sound(said.file)
    part = [int(at * rate) for at in (0, CHIME_S, CHIME_S + PAUSE_S, CHIME_S + PAUSE_S + 1, CHIME_S + 2 * PAUSE_S + 1)]
    chime, gap, first, pause, second = (samples[a:b] for a, b in zip(part, [*part[1:], len(samples)], strict=True))
    assert strength(chime, rate, 659.3) > 20 * strength(chime, rate, 880.0)
    assert strength(first, rate, 330.0) > 20 * strength(first, rate, 659.3)
    assert loudness(gap) == loudness(pause) == 0.0
    assert abs(len(second) - len(first)) <= 1
    assert second[: len(first) - 1] == first[: len(first) - 1]
    assert (said.voice, round(said.seconds, 1)) == ("machine", CHIME_S + 2 * (PAUSE_S + 1))


async def test_the_machine_really_speaks_and_in_cantonese_otherwise_than_in_mandarin(tmp_path: Path) -> None:
    found = {}
    for tongue in ("cmn", "yue"):
        async with pole(tmp_path / tongue, (*MACHINE, tongue)) as it:
            it.wants("n-1", text="紧急通知。今晚八点起有大暴雨，请勿外出。")
            it.hears()
            said = await it.until("said")
        rate, samples = it.sound(said.file)
        words_alone = samples[int((CHIME_S + PAUSE_S) * rate) :]
        assert said.voice == "machine"
        assert 3.0 < len(words_alone) / rate < 15.0
        assert loudness(words_alone) > 500
        loud = [
            loudness(words_alone[at : at + rate // 20]) for at in range(0, len(words_alone) - rate // 20, rate // 20)
        ]
        assert min(loud) < 60 < 1_500 < max(loud), "speech has pauses between its words; a tone has not"
        found[tongue] = words_alone
    assert found["cmn"] != found["yue"]


async def test_withdrawn_it_falls_silent_in_the_middle_of_the_word(tmp_path: Path) -> None:
    async with pole(tmp_path / "horn", tone(tmp_path, seconds=60.0)) as it:
        it.wants("n-1")
        it.hears()
        await it.until("speaking")
        it.says.clear()
        it.hears()
        stopped = await it.until("stopped")
    rate, samples = it.sound(stopped.file)
    assert len(samples) / rate < 30.0
    assert stopped.seconds == pytest.approx(len(samples) / rate)


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda it: it.board(key=BoardKey(Ed25519PrivateKey.generate())), "no board of ours"),
        (lambda it: it.board().replace("停水".encode(), "发钱".encode()), "forged"),
        (lambda it: it.board(area=TAYING), "another place's"),
        (lambda it: it.board(seq=1), "older than what we have"),
        (lambda it: b"\xff\x00 nonsense", "no board of ours"),
        (lambda it: json.dumps([1, 2]).encode(), "no board of ours"),
    ],
    ids=["key", "text", "place", "replayed", "bytes", "list"],
)
async def test_what_does_not_verify_is_never_said(tmp_path: Path, forge: Any, why: str) -> None:
    async with pole(tmp_path / "horn") as it:
        for _ in range(2):
            it.hears()
        it.wants("n-1")
        it.speaker.hear(forge(it))
        await until(lambda: it.speaker.refused)
        assert it.speaker.refused == [why]
        assert not it.speaker.inbox
        it.hears()
        await it.until("said")


async def test_without_a_voice_there_is_a_chime_and_the_truth(tmp_path: Path) -> None:
    async with pole(tmp_path / "horn") as it:
        it.wants("n-1")
        it.hears()
        said = await it.until("said")
    assert (said.voice, said.why) == ("chime", "no voice is installed here")
    assert said.seconds == pytest.approx(CHIME_S, abs=0.01)


async def test_an_emergency_breaks_in_and_the_routine_notice_is_said_again_from_its_beginning(tmp_path: Path) -> None:
    async with pole(tmp_path / "horn", tone(tmp_path, seconds=30.0)) as it:
        it.wants("n-1")
        it.hears()
        await it.until("speaking")
        it.wants("n-2", "emergency", times=2)
        it.hears()
        await it.until("said", 2)
        order = [(each.notice, each.result) for each in reversed(it.speaker.inbox)]
    assert order == [("n-1", "interrupted"), ("n-2", "said"), ("n-1", "said")]


async def test_it_waits_for_the_morning_and_says_nothing_twice_after_a_power_cut(tmp_path: Path) -> None:
    async with pole(tmp_path / "horn") as it:
        it.wants("n-1", **{"from": (START + timedelta(hours=2)).isoformat()})
        it.wants("n-2")
        it.hears()
        await it.until("said")
        assert [each.notice for each in it.speaker.inbox] == ["n-2"]
        it.now += timedelta(hours=2)
        await it.speaker.nudge()
        await it.until("said", 2)
        last = it.board()
    async with pole(tmp_path / "horn") as again:
        again.now = it.now
        again.speaker.hear(last)
        again.seq, again.says = it.seq, {**it.says}
        again.wants("n-3")
        again.hears()
        await again.until("said")
        assert [each.notice for each in again.speaker.inbox] == ["n-3"]
