"""Virtual time: an event loop whose selector moves the clock instead of sleeping, and processes that can be killed.

A wait on nothing is a `Deadlock`. Nothing may leave the loop: no threads, no sockets. What a killed process had planned
never runs, not even its `finally`: the loop keeps its tasks unfinished until the night is over.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from datetime import datetime, timedelta
from typing import Any

NEUTRAL = Context()  # what belongs to no process: the net, the disk, the night itself
TURNS_MAX = 100_000  # a busy loop is as dead as a silent one
ENDS_MAX = 20  # awaits within one coroutine's `finally`
RESOLUTION_S = 1e-6  # timers this close together are due together, or rounding would make the loop turn for nothing


class Deadlock(RuntimeError):
    """Everybody waits and no timer is set, or all run in circles: in life this program would hang for ever."""


class Process:
    """What shares a fate: the hub, or one gateway. Everything its tasks plan carries its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True

    def context(self) -> Context:
        made = copy_context()
        made.run(_PROCESS.set, self)
        return made


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Selector(selectors.BaseSelector):
    """Knows no file but the loop's own wake-up pipe, and never looks at it."""

    def __init__(self) -> None:
        self.passed: Callable[[float], None] = lambda _: None
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._turns = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[number] = key = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("everybody waits, and no timer is set")
        self._turns += 1
        if timeout > 0:
            self._turns = 0
            self.passed(timeout)
        elif self._turns > TURNS_MAX:
            raise Deadlock(f"{TURNS_MAX} turns of the loop, and no time has passed")
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _Selector()
        self._elapsed_s = 0.0
        super().__init__(selector)
        selector.passed = self._pass
        self._clock_resolution = RESOLUTION_S
        self._graveyard: list[object] = []
        self._buried = False

    def time(self) -> float:
        return self._elapsed_s

    def _pass(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        context = copy_context() if context is None else context  # an empty one is falsy
        if self._buried or _dead(context):
            return self._never(callback, args, context)
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        handle = super().call_at(when, callback, *args, context=context)
        if self._buried or _dead(context):
            self._graveyard.append((callback, args))
            handle.cancel()
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{getattr(func, '__name__', func)} would leave virtual time for a thread")

    def kill(self, process: Process) -> None:
        """As SIGKILL does: what this process was about to do does not happen."""
        process.alive = False
        # Kept, not dropped: a collected coroutine would still run its `finally`.
        self._graveyard.extend(asyncio.all_tasks(self))
        for handle in (*self._ready, *self._scheduled):  # type: ignore[attr-defined]
            if not handle.cancelled() and handle._context.get(_PROCESS) is process:
                self._graveyard.append((handle._callback, handle._args))
                handle.cancel()

    def bury(self) -> None:
        """At the end of the night: end what is unfinished, and let nothing of it have an effect any more."""
        self._buried = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _end(task)
        self._graveyard.clear()

    def _never(self, callback: Any, args: Any, context: Context) -> asyncio.Handle:
        self._graveyard.append((callback, args))
        handle = asyncio.Handle(callback, args, self, context)
        handle.cancel()
        return handle


def _end(task: asyncio.Task[Any]) -> None:
    """Close a task's coroutine here and now: left to the collector, its `finally` would complain on standard error."""
    coroutine: Any = task.get_coro()
    for _ in range(ENDS_MAX):
        with suppress(BaseException):  # its own clean-up meets a world that is over
            coroutine.close()
            return


def _dead(context: Context) -> bool:
    process = context.get(_PROCESS)
    return process is not None and not process.alive


class VirtualClock:
    """The hub's clock on a virtual loop."""

    def __init__(self, loop: VirtualLoop, start: datetime) -> None:
        self._loop, self.start = loop, start

    def now(self) -> datetime:
        return self.start + timedelta(seconds=round(self._loop.time(), 6))

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
