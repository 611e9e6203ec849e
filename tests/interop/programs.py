"""Guests that are programs: mosquitto_pub and mosquitto_sub, and npm's mqtt in a node process that takes JSON."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.conftest import program
from tests.interop.place import USER, WAIT_S, Heard, Place, Refused, Wish

_LINE = re.compile(r"^<(\d) (\d) (\S+) (.*)>$")


class MosquittoClients:
    """Two programs, one line each: what is published goes by mosquitto_pub, what is heard by mosquitto_sub."""

    def __init__(self) -> None:
        self._listening: asyncio.subprocess.Process | None = None
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()

    async def open(self, place: Place, wish: Wish) -> None:
        self._place, self._wish = place, wish
        if not (wish.keeps or wish.will):
            await self.publish("home/hello", "hello", 1)
        elif wish.keeps:
            await self._listen("home/kept", 1)
        else:
            await self._listen("home/none", 0)

    def _words(self, name: str) -> list[str]:
        wish, place = self._wish, self._place
        words = ["-h", "127.0.0.1", "-p", str(place.ports[wish.way]), "-u", USER, "-P", wish.secret, "-i", name]
        words += ["-V", "mqttv5" if wish.version == 5 else "mqttv311"]
        return [*words, "--cafile", str(place.ca)] if wish.way == "tls" else words

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None:
        words = [*self._words(f"{self._wish.name}-pub"), "-t", topic, "-q", str(qos), *(["-r"] if retain else [])]
        words += ["-m", payload] if payload else ["-n"]
        process = await _start("mosquitto_pub", *words)
        async with asyncio.timeout(WAIT_S):
            out, _ = await process.communicate()
        if process.returncode:
            raise Refused(out.decode())

    async def subscribe(self, name: str, qos: int) -> None:
        if self._listening is None:
            await self._listen(name, qos)

    async def _listen(self, name: str, qos: int) -> None:
        wish = self._wish
        words = [*self._words(wish.name), "-t", name, "-q", str(qos), "-d", "-F", "<%q %r %t %p>"]
        if wish.keeps:
            words += ["-c", *(["-x", "600"] if wish.version == 5 else [])]
        if wish.will:
            words += ["--will-topic", wish.will[0], "--will-payload", wish.will[1], "--will-qos", "1"]
        # Into a pipe it would keep "Subscribed" to itself until there is more to say.
        self._listening = await _start("stdbuf", "-oL", program("mosquitto_sub") or "mosquitto_sub", *words)
        subscribed = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._listening, subscribed), name="mosquitto_sub")
        waiting = asyncio.create_task(subscribed.wait())
        await asyncio.wait({self._reading, waiting}, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not subscribed.is_set():
            await self._end("kill")
            raise Refused("mosquitto_sub ended")

    async def _read(self, process: asyncio.subprocess.Process, subscribed: asyncio.Event) -> None:
        """What waited for a kept session comes before SUBACK."""
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            if line.startswith("Subscribed"):
                subscribed.set()
            elif found := _LINE.match(line.rstrip("\n")):
                self._heard.put_nowait(Heard(found[3], found[4], int(found[1]), found[2] == "1"))

    async def message(self) -> Heard:
        async with asyncio.timeout(WAIT_S):
            return await self._heard.get()

    async def close(self) -> None:
        await self._end("terminate")

    async def tear(self) -> None:
        await self._end("kill")

    async def _end(self, how: str) -> None:
        if self._listening is not None:
            with suppress(ProcessLookupError):
                getattr(self._listening, how)()
            await self._reading
            await self._listening.wait()
            self._listening = None


class _Node:
    """One node process for all guests of a column: to start it costs more than all they do."""

    def __init__(self) -> None:
        self.heard: dict[str, asyncio.Queue[Heard]] = {}
        self.answers: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    async def start(self) -> None:
        self._process = await _start("node", str(Path(__file__).with_name("guest.cjs")), feed=True)
        self._reading = asyncio.create_task(self._read(), name="mqtt.js")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "topic" in said:
                heard = Heard(said["topic"], said["payload"], said["qos"], said["retain"])
                self.heard[said["who"]].put_nowait(heard)
            else:
                self.answers[said["who"]].put_nowait(said)

    async def ask(self, who: str, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"who": who, **order}).encode() + b"\n")
        async with asyncio.timeout(WAIT_S):
            return await self.answers[who].get()

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(WAIT_S):
            await self._reading
            await self._process.wait()


_nodes: dict[asyncio.AbstractEventLoop, _Node] = {}


async def stop_node() -> None:
    """After a column; there may be none."""
    if (node := _nodes.pop(asyncio.get_running_loop(), None)) is not None:
        await node.stop()


class MqttJs:
    async def open(self, place: Place, wish: Wish) -> None:
        loop = asyncio.get_running_loop()
        if loop not in _nodes:
            _nodes[loop] = _Node()
            await _nodes[loop].start()
        self._node, self._who = _nodes[loop], wish.name
        self._heard = self._node.heard[wish.name] = asyncio.Queue()
        self._node.answers[wish.name] = asyncio.Queue()
        scheme = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws"}[wish.way]
        order = {
            "url": f"{scheme}://127.0.0.1:{place.ports[wish.way]}/mqtt",
            "version": wish.version,
            "user": USER,
            "secret": wish.secret,
            "keeps": wish.keeps,
            "will": wish.will,
            "ca": str(place.ca),
        }
        answer = await self._node.ask(self._who, {"do": "open", **order})
        if "error" in answer:
            raise Refused(answer["error"])

    async def _do(self, what: str, **order: object) -> None:
        answer = await self._node.ask(self._who, {"do": what, **order})
        assert "error" not in answer, answer

    async def subscribe(self, name: str, qos: int) -> None:
        await self._do("subscribe", name=name, qos=qos)

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None:
        await self._do("publish", topic=topic, payload=payload, qos=qos, retain=retain)

    async def message(self) -> Heard:
        async with asyncio.timeout(WAIT_S):
            return await self._heard.get()

    async def close(self) -> None:
        await self._do("close")

    async def tear(self) -> None:
        await self._do("tear")


async def _start(tool: str, *words: str, feed: bool = False) -> asyncio.subprocess.Process:
    binary = program(tool)
    assert binary is not None, tool
    pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        binary,
        *words,
        stdin=pipe if feed else none,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
