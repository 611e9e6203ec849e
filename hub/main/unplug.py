"""Unplug: the demo's side of 拔电. It starts the blackout in a process of its own, hears what it says, shows it, and
sees to it that nothing of it outlives the run or the demo.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hub.civic.stage.outage import KEY, TOPIC, Outage, Sample, Total, context
from hub.errors import Conflict
from hub.i18n import N_, _
from hub.services import Services

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
RATE = 2_000
CUT_AFTER_S = (3.0, 4.5)  # long enough to see the rate stand, short enough to stay for the end
RUN_S_MAX = 75.0  # a run takes 15 to 20 s; a machine that needs longer than this shows nothing anybody would wait for
WINDOW_MS = 900  # the rate is of the last so many ms: acknowledgements come a batch at a time
SAMPLES_MAX = 400


class Unplug:
    """One run at a time; pressed while readings flow, it pulls the plug at once."""

    def __init__(self, services: Services, *, rate: int = RATE, cut_after_s: tuple[float, float] = CUT_AFTER_S) -> None:
        self._services, self._rate, self._cut_after_s = services, rate, cut_after_s
        self._folder = services.data / "unplug"
        self._run: asyncio.Task[None] | None = None
        self._rig: Process | None = None
        self._seen: list[tuple[int, int]] = []  # t_ms and acknowledged, of this run
        self.now = Outage()

    def press(self) -> None:
        if self._run is None or self._run.done():
            self.now = Outage("starting", self._rate, total=self.now.total)
            self._show()
            self._run = asyncio.create_task(self._play(), name="unplug")
        elif self.now.phase == "flowing" and self._rig is not None and self._rig.stdin is not None:
            self._rig.stdin.write(b"pull\n")
        elif self.now.phase in ("starting", "flowing"):
            raise Conflict(_("The other hub is still starting; pull the plug when readings come in"))
        else:
            raise Conflict(_("The plug is out already; watch how it ends first"))

    async def stop(self) -> None:
        """The demo ends: so does this, at once."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)

    async def _play(self) -> None:
        self._seen = []
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        cut_after_s = self._services.rng.uniform(*self._cut_after_s)
        words = [sys.executable, "-P", "-m", "hub.main.blackout", str(self._folder)]
        words += ["--rate", str(self._rate), "--cut-after", f"{cut_after_s:.3f}"]
        # A session of its own: Ctrl-C at the demo's terminal is for the demo, which ends it in order.
        self._rig = rig = await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        try:
            async with asyncio.timeout(RUN_S_MAX):
                assert rig.stdout is not None  # noqa: S101 - asked for above
                async for line in rig.stdout:
                    self._heard(line)
        except TimeoutError:
            self._fail(N_("This took too long and was stopped; the machine may have too much to do"))
        finally:
            if rig.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(rig.pid, signal.SIGKILL)  # with it the hub, which is in its session
            self._rig = None
            await rig.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
        if self.now.phase not in ("done", "failed"):
            log.error("the blackout ended early", extra={"status": rig.returncode})
            self._fail(N_("The second hub could not be run; the log says why"))

    def _heard(self, line: bytes) -> None:
        said = json.loads(line)
        self._seen.append((said["t_ms"], said["acknowledged"]))
        samples = self.now.samples
        if said["t_ms"] and said["phase"] in ("flowing", "dark", "resending"):
            samples = (*samples, Sample(said["t_ms"], self._rate_now(said["phase"])))[-SAMPLES_MAX:]
        before, total = self.now, self.now.total
        self.now = Outage(rate=self._rate, samples=samples, total=total, **said)
        if self.now.judged and not before.judged:
            now = self.now
            summed = Total(
                total.runs + 1,
                total.acknowledged + now.acknowledged,
                total.lost + now.lost,
                total.doubled + now.doubled,
            )
            self.now = replace(now, total=summed)
        self._show()

    def _rate_now(self, phase: str) -> int:
        """Acknowledged a second in the last moments; in the dark there is nobody to acknowledge."""
        t_ms, count = self._seen[-1]
        if phase == "dark":
            return 0
        since, before = next((t, n) for t, n in self._seen if t >= t_ms - WINDOW_MS)
        return round((count - before) * 1000 / (t_ms - since)) if t_ms > since else 0

    def _fail(self, trouble: str) -> None:
        self.now = replace(self.now, phase="failed", trouble=trouble)
        self._show()

    def _show(self) -> None:
        self._services.feed.push(TOPIC, KEY, context(self.now))
