"""A loudspeaker on a pole (大喇叭): reads the signed board over MQTT, says into WAV files what it is asked to say,
falls silent when the notice is gone, and reports. Its page (loudspeaker_page.py) shows what was said.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from devices import topics
from simulators.board import Unbelieved, believed
from simulators.clock import Now, utc_now
from simulators.far_end import Mood
from simulators.line import Address, Line, LineLost, LineRefused, PublishRefused
from simulators.loudspeaker_sound import CHUNK_S, PAUSE_S, RATE, Tape, Voice, programme, read
from simulators.trust import trust

RECONNECT_S = 2.0
VOICE_S_MAX = 30.0  # a minute of speech takes the machine a tenth of a second
INBOX_MAX = 200

_RANK = {"routine": 1, "important": 2, "urgent": 3, "drill": 4, "emergency": 5}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Say:
    """One thing the board asks for."""

    notice: str
    rev: int
    round: int
    rank: int
    text: str
    times: int
    begin: datetime
    until: datetime
    clip_path: str
    clip_sha256: str
    english: str = ""  # said after the Chinese

    @property
    def key(self) -> str:
        return f"{self.notice} {self.rev} {self.round}"


@dataclass
class Heard:
    """What somebody on the square heard."""

    notice: str
    rev: int
    round: int
    text: str
    times: int
    voice: str
    file: str
    at: str
    seconds: float = 0.0
    result: str = "speaking"
    why: str = ""


@dataclass(frozen=True)
class SpeakerSim:
    address: Address
    user: str
    password: str = field(repr=False)
    area: str
    origin: str  # where the hub serves its board keys and recordings
    folder: Path  # WAV files, and what was said before a power cut
    keys: Mapping[str, bytes] = field(default_factory=dict)  # pinned; empty: asked of the hub at the first start
    voice: Sequence[str] = ()  # a program: text in, WAV out; empty: this speaker has none
    pace: float = 1.0  # seconds of life for a second of sound; 0 for tests
    seed: str = "speaker"
    now: Now = utc_now


class Loudspeaker:
    def __init__(self, config: SpeakerSim) -> None:
        self.config = config
        self.inbox: deque[Heard] = deque(maxlen=INBOX_MAX)
        self.refused: list[str] = []  # why boards were not believed
        self.mood = Mood(random.Random(f"{config.seed} faults"), (2.0, 4.0))
        self._net = httpx.AsyncClient(base_url=config.origin, trust_env=False, verify=trust(config.origin))
        self._keys: dict[str, bytes] = dict(config.keys)
        self._boards: asyncio.Queue[bytes] = asyncio.Queue()
        self._says: dict[str, Say] = {}
        self._changed = asyncio.Condition()
        self._reports: deque[tuple[str, bytes]] = deque()
        self._line: Line | None = None
        config.folder.mkdir(parents=True, exist_ok=True)
        self._memory = config.folder / "said.json"
        known = json.loads(self._memory.read_text()) if self._memory.exists() else {}
        self._said, self._seq = set(known.get("said", ())), int(known.get("seq", 0))

    async def run(self) -> None:
        """On the line for ever, speaking for ever; one does not wait for the other."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._read_boards())
                group.create_task(self._speak())
        finally:
            await self._net.aclose()

    async def until(self, what: str, count: int = 1) -> list[Heard]:
        """Wait until so many entries have this result."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._with(what)) >= count)
        return self._with(what)

    def _with(self, what: str) -> list[Heard]:
        return [each for each in self.inbox if each.result == what]

    # -- the line --------------------------------------------------------------------------------------------------
    async def _listen(self) -> None:
        config = self.config
        while True:
            line = Line(
                config.address, config.user, config.password, client_id=config.user,
                on_message=lambda _topic, payload: self.hear(payload),
            )  # fmt: skip
            try:
                if not self._keys:
                    self._keys = await self._fetch_keys()
                await line.open()
                await line.subscribe([topics.board(config.area)])
                self._line = line
                await self._send_reports()
                await line.lost.wait()
            except (OSError, LineRefused, LineLost, httpx.HTTPError) as fault:
                log.info("no line to the hub", extra={"speaker": config.user, "why": type(fault).__name__})
            finally:
                self._line = None
                await line.close()
            await asyncio.sleep(RECONNECT_S)

    async def _fetch_keys(self) -> dict[str, bytes]:
        answer = (await self._net.get("/api/v1/board-keys")).raise_for_status()
        return {each["id"]: base64.b64decode(each["public"]) for each in answer.json()["keys"]}

    async def _read_boards(self) -> None:
        while True:
            payload = await self._boards.get()
            try:
                board = believed(payload, self._keys, area=self.config.area, least=self._seq, now=self.config.now())
            except Unbelieved as why:
                self.refused.append(str(why))
                log.warning("a board was refused", extra={"speaker": self.config.user, "why": str(why)})
                await self._tell()
                continue
            self._seq = int(board["seq"])
            self._says = {say.key: say for say in map(_say_of, _asked(board)) if say is not None}
            await self._tell()

    def hear(self, payload: bytes) -> None:
        """A board came."""
        self._boards.put_nowait(payload)

    async def nudge(self) -> None:
        """Look again: a knob was turned."""
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _send_reports(self) -> None:
        while self._reports and self._line is not None:
            topic, payload = self._reports[0]
            try:
                await self._line.publish(topic, payload)
            except (LineLost, PublishRefused) as fault:
                log.info("a report did not go out", extra={"speaker": self.config.user, "why": type(fault).__name__})
                if isinstance(fault, LineLost):
                    return
            self._reports.popleft()

    # -- the horn --------------------------------------------------------------------------------------------------
    async def _speak(self) -> None:
        while True:
            say = self._next()
            if say is None:
                async with self._changed:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), self._wait_s())
                continue
            await self._say(say)

    def _next(self) -> Say | None:
        now = self.config.now()
        due = [each for each in self._says.values() if each.key not in self._said and each.begin <= now < each.until]
        return max(due, key=lambda each: (each.rank, each.notice), default=None)

    def _wait_s(self) -> float | None:
        later = [
            each.begin for each in self._says.values() if each.key not in self._said and each.begin > self.config.now()
        ]
        return (min(later) - self.config.now()).total_seconds() + 0.01 if later else None

    async def _say(self, say: Say) -> None:
        if self.mood.name == "hang":  # the amplifier is stuck: nothing is heard, nothing is reported
            async with self._changed:
                await self._changed.wait()
            return
        if self.mood.name == "slow":
            await asyncio.sleep(2.0 * self.config.pace)
        voice, why = await self._voice(say)
        name = f"{len(list(self.config.folder.glob('*.wav'))) + 1:04}.wav"
        heard = Heard(
            say.notice,
            say.rev,
            say.round,
            f"{say.text} {say.english}".strip(),
            say.times,
            voice.kind,
            name,
            self.config.now().isoformat(),
            why=why,
        )
        self.inbox.appendleft(heard)
        await self._tell()
        broken = await self.mood.fault() is not None if self.mood.name in ("5xx", "flap") else False
        if broken:
            heard.result, heard.why = "failed", "the amplifier is broken"
        else:
            await self._play(say, voice, heard)
        if heard.result != "interrupted":
            self._remember(say)
            self._report(say, heard)
        await self._tell()
        await self._send_reports()

    async def _play(self, say: Say, voice: Voice, heard: Heard) -> None:
        tape = Tape(self.config.folder / heard.file, voice.rate)
        result = "said"
        for chunk in programme(voice, say.times):
            await asyncio.sleep(CHUNK_S * self.config.pace)
            if say.key not in self._says:
                result = "stopped"
            elif (louder := self._next()) is not None and louder.rank > say.rank:
                result = "interrupted"  # it is said again from its beginning afterwards
            if result != "said":
                break
            tape.play(chunk)
        heard.seconds, heard.result = tape.close(), result

    async def _voice(self, say: Say) -> tuple[Voice, str]:
        """A person's recording before the machine, the machine before the chime alone."""
        if say.clip_sha256:
            try:
                answer = (await self._net.get(say.clip_path)).raise_for_status()
                if hashlib.sha256(answer.content).hexdigest() == say.clip_sha256:
                    return Voice("clip", *read(answer.content)), ""
                why = "the recording is not the one that was signed"
            except (httpx.HTTPError, ValueError) as fault:
                why = f"no recording: {type(fault).__name__}"
            log.warning("the recording was not played", extra={"speaker": self.config.user, "why": why})
        samples = await self._machine(say.text)
        if samples is None:
            return Voice("chime", RATE, b""), "no voice is installed here"
        rate, spoken = samples
        translated = await self._machine(say.english, "en") if say.english else None
        if translated is not None and translated[0] == rate:
            spoken += bytes(2 * int(PAUSE_S * rate)) + translated[1]
        return Voice("machine", rate, spoken), ""

    async def _machine(self, text: str, tongue: str = "") -> tuple[int, bytes] | None:
        """The last word of the voice's command is its language."""
        if not self.config.voice:
            return None
        pipe = asyncio.subprocess.PIPE
        command = (*self.config.voice[:-1], tongue or self.config.voice[-1])
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        try:
            async with asyncio.timeout(VOICE_S_MAX):
                spoken, _errors = await process.communicate(text.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            return None
        if process.returncode:
            return None
        return read(spoken)

    def _remember(self, say: Say) -> None:
        """On the disk: after a power cut a village is not woken again by what it has heard."""
        self._said = {key for key in self._said if key in self._says} | {say.key}
        waiting = self._memory.with_suffix(".new")
        waiting.write_text(json.dumps({"seq": self._seq, "said": sorted(self._said)}))
        waiting.replace(self._memory)

    def _report(self, say: Say, heard: Heard) -> None:
        body: dict[str, Any] = {
            "ok": heard.result == "said",
            "result": {"rev": say.rev, "round": say.round, "voice": heard.voice, "seconds": round(heard.seconds)},
        }
        if heard.result != "said":
            body["error"] = heard.result
        topic = topics.done(self.config.area, self.config.user, topics.HORN, say.notice)
        self._reports.append((topic, json.dumps(body).encode()))

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(each) for each in self.inbox]


def _asked(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in board["notices"] if isinstance(each.get("say"), dict)]


def _say_of(entry: dict[str, Any]) -> Say | None:
    """None for what we do not understand: a newer hub may say more than an old speaker knows."""
    say, clip = entry["say"], entry["say"].get("clip") or {}
    try:
        ends = datetime.fromisoformat(entry["expires"])
        until = datetime.fromisoformat(say["until"]) if say["until"] else ends
        return Say(
            entry["id"], int(entry["rev"]), int(say["round"]), _RANK.get(entry["priority"], 0), str(say["text"]),
            int(say["times"]), datetime.fromisoformat(say["from"]), min(until, ends), str(clip.get("path", "")),
            str(clip.get("sha256", "")), str(say.get("en", "")),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None


@asynccontextmanager
async def speaking(config: SpeakerSim) -> AsyncIterator[Loudspeaker]:
    """On its pole for as long as the block runs."""
    speaker = Loudspeaker(config)
    task = asyncio.create_task(speaker.run(), name=f"speaker {config.user}")
    try:
        yield speaker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
