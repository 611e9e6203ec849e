"""Players that are not ours: hls.js in Chromium and VLC without a screen show the channel, and an emergency on it. With
LINLI_TEST_LONG=1 only: decoding a minute of video costs more than all the channel's other tests."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.civic.notices import desk
from hub.clock import SystemClock
from tests.conftest import needs
from tests.tv.channel import Tuned, tuned
from tests.world import LIUHE
from web.serve import HttpServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Others are of this machine: no sound server, no desktop.
OF_THE_STREAM = re.compile(
    r"\] (adaptive|http|ts|h264|mpeg4audio|packetizer|avcodec|faad|main (input|demux|decoder|stream)).* error:"
)
_COUNT = re.compile(r"\| [a-z ]+: +\d+ *$")
NOBODY = 65_534  # VLC does not run as root
HLS = Path(__file__).parents[1] / "interop/node_modules/hls.js/dist/hls.min.js"
LONG = os.environ.get("LINLI_TEST_LONG") == "1"
PLAYS_S = 60
RED_WITHIN_S = 15  # a busy machine; what it takes on a quiet one is measured, not asserted
PAGE = """<!doctype html><video id="v" muted autoplay width="1280" height="720"></video><script src="/hls.js"></script>
<script>
var video = document.getElementById("v"), canvas = document.createElement("canvas"), red = null, faults = [];
canvas.width = 64; canvas.height = 36;
var brush = canvas.getContext("2d", {willReadFrequently: true}), player = new Hls();
player.on(Hls.Events.ERROR, function (event, told) { faults.push(told.details); });
player.loadSource("/tv/AREA/live.m3u8");
player.attachMedia(video);
setInterval(function () {
  if (video.readyState < 2) { return; }
  brush.drawImage(video, 0, 0, 64, 36);
  var dot = brush.getImageData(32, 30, 1, 1).data;
  red = dot[0] > 110 && dot[1] < 70;
}, 40);
</script>"""


@dataclass
class OnAir:
    """The channel behind a real socket in a thread of its own; `call` runs something there."""

    url: str
    tv: Tuned
    call: Callable[[Callable[[], Any]], Any]


@contextmanager
def on_air(folder: Path) -> Iterator[OnAir]:
    ready, held = threading.Event(), {}

    async def live() -> None:
        async with tuned(folder, clock=SystemClock()) as tv:
            server, stop = HttpServer(tv.hub, tv.app), asyncio.Event()
            serving = asyncio.create_task(server.run(stop))
            await server.started.wait()
            held.update(tv=tv, url=server.url, stop=stop, loop=asyncio.get_running_loop())
            ready.set()
            await serving

    def call(work: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), held["loop"]).result(20)

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert ready.wait(30), "the channel did not start"
    try:
        yield OnAir(held["url"], held["tv"], call)
    finally:
        held["loop"].call_soon_threadsafe(held["stop"].set)
        thread.join(20)


@dataclass
class Vlc:
    """VLC as it comes, on a screen of its own that is a folder of small pictures."""

    program: subprocess.Popen[bytes]
    folder: Path

    def pictures(self) -> int:
        """As often as it drew one; the same one more than once."""
        return len(list(self.folder.glob("at*.png")))

    def counts(self) -> dict[str, int]:
        """What it says of itself when asked: pictures decoded, shown, lost."""
        assert self.program.stdin is not None
        said, asked = self.folder / "said", (self.folder / "said").stat().st_size
        self.program.stdin.write(b"stats\n")
        self.program.stdin.flush()
        self.until(lambda: b"buffers lost" in said.read_bytes()[asked:], 10)
        lines = said.read_bytes()[asked:].decode(errors="replace").splitlines()
        return {
            line.strip("| ").partition(":")[0].strip(): int(line.split(":")[1]) for line in lines if _COUNT.match(line)
        }

    def red(self) -> bool:
        """The newest picture that is written to its end."""
        from PIL import Image

        newest = sorted(self.folder.glob("at*.png"))[-2]
        with Image.open(newest) as shown:
            dot = shown.convert("RGB").getpixel((32, 30))
        assert isinstance(dot, tuple)
        return dot[0] > 110 and dot[1] < 70

    def until(self, what: Callable[[], bool], seconds: float) -> float:
        began = time.monotonic()
        while not what():
            assert self.program.poll() is None, "VLC gave up"
            assert time.monotonic() - began < seconds, f"not within {seconds} s"
            time.sleep(0.02)
        return time.monotonic() - began


@contextmanager
def vlc(url: str) -> Iterator[Vlc]:
    folder = Path(tempfile.mkdtemp(prefix="vlc-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    words = [
        "vlc", "-I", "rc", "--rc-fake-tty", "--aout", "adummy", "--vout", "dummy", "--video-filter", "scene",
        "--scene-format", "png", "--scene-path", str(folder), "--scene-prefix", "at", "--scene-ratio", "1",
        "--scene-width", "64", "--scene-height", "36", url,
    ]  # fmt: skip
    with (folder / "said").open("wb") as said:
        program = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=said, stderr=said, env={**os.environ, "HOME": str(folder)}, **who
        )
    try:
        yield Vlc(program, folder)
    finally:
        program.terminate()
        program.communicate(timeout=20)
        shutil.rmtree(folder)


if LONG:

    @needs("vlc")
    def test_vlc_plays_without_a_fault_and_shows_an_emergency_and_its_end(tmp_path: Path) -> None:
        with on_air(tmp_path) as air, vlc(f"{air.url}/tv/{LIUHE}/live.m3u8") as player:
            player.until(lambda: player.pictures() > 2, 30)
            began = time.monotonic()
            time.sleep(PLAYS_S / 3)
            notice = air.call(air.tv.alarm)
            shown = player.until(player.red, RED_WITHIN_S)
            store, by = air.tv.office.store, air.tv.office.publisher
            air.call(lambda: store.write_now(lambda tx: desk.retract(tx, by, notice.id, "It was a mistake")))
            gone = player.until(lambda: not player.red(), RED_WITHIN_S)
            counts, seconds = player.counts(), time.monotonic() - began
            said = (player.folder / "said").read_text(errors="replace")
        faults = [line for line in said.splitlines() if OF_THE_STREAM.search(line)]
        print(f"VLC: release to pixel {shown:.1f} s, retraction {gone:.1f} s; {counts}")
        assert counts["video decoded"] >= (seconds - 2) * 6.25, "6.25 pictures a second"
        assert counts["frames lost"] <= 2
        assert faults == []

    @needs("chromium", "mqtt_js")  # both foreign programs come with one lock
    def test_hls_js_plays_without_a_fault_and_shows_an_emergency_and_its_end(browser: Browser, tmp_path: Path) -> None:
        with on_air(tmp_path) as air:
            context = browser.new_context()
            page = context.new_page()
            page.route(
                "**/player", lambda route: route.fulfill(body=PAGE.replace("AREA", LIUHE), content_type="text/html")
            )
            page.route("**/hls.js", lambda route: route.fulfill(body=HLS.read_bytes(), content_type="text/javascript"))
            page.goto(f"{air.url}/player")
            page.wait_for_function(f"() => video.currentTime > {PLAYS_S}", timeout=(PLAYS_S + 30) * 1_000)
            notice = air.call(air.tv.alarm)
            began = time.monotonic()
            page.wait_for_function("() => red === true", timeout=RED_WITHIN_S * 1_000)
            shown = time.monotonic() - began
            store, by = air.tv.office.store, air.tv.office.publisher
            air.call(lambda: store.write_now(lambda tx: desk.retract(tx, by, notice.id, "It was a mistake")))
            began = time.monotonic()
            page.wait_for_function("() => red === false", timeout=RED_WITHIN_S * 1_000)
            gone = time.monotonic() - began
            assert page.evaluate("() => faults") == []
            assert page.evaluate("() => video.getVideoPlaybackQuality().droppedVideoFrames") <= 2
            context.close()
        print(f"release to pixel {shown:.1f} s, retraction {gone:.1f} s")
