"""拔电: the plug is really pulled under load, the count is the driver's own, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.civic.stage.outage import HEIGHT, PHASES, TOP, WIDTH, Outage, Sample, plot, steps
from hub.main import blackout, leash
from hub.main.tally import compare
from hub.main.unplug import Unplug
from tests.conftest import needs
from tests.stage.rig import WAIT_S, House, csrf, house
from tests.stage.test_stage import seen

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RATE = 300  # the proof is in the kill, not in the rate; the demo's is 2,000
CUFF, FRAME = "dark-gw-1-bp-1", b"\x16\x80"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("unplug")) as it:
        yield it


@pytest.fixture
def unplug(home: House) -> Iterator[Unplug]:
    """A plug of its own on the running hub; what is still going on at the end is stopped as the demo stops it."""
    made = home.services.stage.unplug = Unplug(home.services, rate=RATE, cut_after_s=(60, 60))
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), home.loop).result(WAIT_S)


def press(home: House, client: httpx.Client) -> httpx.Response:
    return client.post(
        "/stage/unplug", headers={"x-csrf": csrf(client.get("/stage").text), "accept": "application/json"}
    )


def processes_of(folder: Path) -> set[int]:
    """Those whose command line names the folder."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder) in each.read_bytes().decode(errors="replace"):
                found.add(int(each.parent.name))
        except OSError:  # it has just ended
            continue
    return found


@needs("chromium")
def test_a_visitor_pulls_the_plug_and_reads_nothing_lost_nothing_doubled(
    home: House, unplug: Unplug, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{home.url}/stage")
    page.click("form[action='/stage/unplug'] button")
    page.locator("[data-phase=flowing]").wait_for(timeout=60_000)
    seen(lambda: unplug.now.acknowledged > RATE, "readings are acknowledged before the plug is pulled")
    page.click("form[action='/stage/unplug'] button")  # pulls it at once: the moment is the visitor's
    page.locator("[data-phase=done]").wait_for(timeout=60_000)
    said = {name: page.locator(f"[data-figure={name}]").inner_text() for name in ("lost", "doubled", "stored")}
    run = unplug.now
    print(run)
    assert (said["lost"], said["doubled"]) == ("0", "0")
    assert said["stored"] == f"{run.stored:,}"
    assert "丢失 0 · 重复 0" in page.inner_text(".ou-live")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1440
    context.close()
    assert complaints == []
    # What really happened, or it proves little.
    assert run.acknowledged_at_cut > RATE
    assert run.first_pid != run.second_pid
    assert run.dark_ms > 0
    assert run.waiting == 0
    assert run.stored == run.acknowledged == run.offered > run.acknowledged_at_cut
    assert run.clean
    seen(lambda: not home.services.data.joinpath("unplug").exists(), "the scratch folder is gone")
    assert processes_of(home.services.data / "unplug") == set()


def test_never_two_at_a_time_and_the_demos_end_leaves_no_process(home: House, unplug: Unplug) -> None:
    folder = home.services.data / "unplug"
    with home.visitor() as visitor:
        assert press(home, visitor).status_code == 204
        second = press(home, visitor)
        assert second.status_code == 409
        assert any(said in second.json()["detail"] for said in ("out already", "still starting"))
        token = csrf(visitor.get("/stage").text)
        plain = visitor.post("/stage/unplug", data={"csrf": token}, follow_redirects=False)
        assert (plain.status_code, plain.headers["location"]) == (303, "/stage/unplug")
    seen(lambda: len(processes_of(folder)) == 2, "the driver and its hub run")
    asyncio.run_coroutine_threadsafe(unplug.stop(), home.loop).result(WAIT_S)
    seen(lambda: processes_of(folder) == set(), "both are gone")
    assert not folder.exists()


def test_when_the_driver_dies_the_page_says_so(home: House, unplug: Unplug) -> None:
    folder = home.services.data / "unplug"
    with home.visitor() as visitor:
        press(home, visitor)
        seen(lambda: unplug._rig is not None, "the driver runs")
        driver = unplug._rig
        assert driver is not None
        os.kill(driver.pid, signal.SIGKILL)
        seen(lambda: "could not be run" in visitor.get("/stage/unplug").text, "the page says what went wrong")
        assert unplug.now.total.runs == 0
        assert processes_of(folder) == set()


def test_a_hub_does_not_outlive_its_driver(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hub.main.blackout", str(tmp_path / "run"), "--rate", "10", "--cut-after", "60"]
    driver = subprocess.Popen(words, cwd=blackout.ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    seen((tmp_path / "run" / "journal.jsonl").exists, "readings flow to the hub")
    assert len(processes_of(tmp_path)) == 2
    driver.kill()
    driver.communicate()
    try:
        seen(lambda: processes_of(tmp_path) == set(), "nobody is left")
    finally:
        for left in processes_of(tmp_path):  # a red test leaves nobody behind either
            os.kill(left, signal.SIGKILL)


def test_the_page_of_the_plug_is_the_stages_and_needs_its_token(home: House) -> None:
    with home.visitor() as visitor:
        first = visitor.get("/stage/unplug", follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/stage")
        visitor.get("/stage")
        assert visitor.post("/stage/unplug").status_code == 403
        assert visitor.get("/stage/unplug").status_code == 200


def test_a_leashed_process_ends_with_its_parent(tmp_path: Path) -> None:
    code = "import time; from hub.main import leash; leash.hold(print); print('held', flush=True); time.sleep(600)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=blackout.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.stdin.close()
    assert child.wait(WAIT_S) == leash.ALONE
    child.stdout.close()


# -- the count itself ------------------------------------------------------------------------------------------------
def digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def database(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    path = folder / "linli.db"
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE reading (key TEXT, device TEXT, raw_sha256 TEXT)")
        store.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
    store.close()
    return path


def journal(folder: Path, *entries: tuple[str, bytes]) -> Path:
    path = folder / "journal.jsonl"
    path.write_text("".join(json.dumps({"key": key, "hex": payload.hex()}) + "\n" for key, payload in entries))
    return path


def test_a_reading_that_is_missing_is_lost(tmp_path: Path) -> None:
    found = compare(journal(tmp_path, ("k1", FRAME), ("k2", b"2")), database(tmp_path, [("k1", CUFF, digest(FRAME))]))
    assert (found.acknowledged, found.stored, found.lost, found.doubled) == (2, 1, 1, 0)


def test_a_reading_of_other_bytes_is_lost(tmp_path: Path) -> None:
    found = compare(journal(tmp_path, ("k1", FRAME)), database(tmp_path, [("k1", CUFF, digest(b"other"))]))
    assert found.lost == 1


def test_one_frame_under_two_keys_is_doubled(tmp_path: Path) -> None:
    rows = [("k1", CUFF, digest(FRAME)), ("k2", CUFF, digest(FRAME)), ("k3", "other-cuff", digest(FRAME))]
    found = compare(journal(tmp_path, ("k1", FRAME), ("k1", FRAME)), database(tmp_path, rows))
    assert (found.acknowledged, found.lost, found.doubled) == (1, 0, 1)


@given(
    st.sampled_from(PHASES),
    st.lists(st.builds(Sample, st.integers(0, 80_000), st.integers(0, 60_000)), max_size=30),
    st.integers(0, 60_000),
    st.integers(0, 20_000),
)
def test_the_drawing_stays_inside_its_frame(phase: str, samples: list[Sample], cut_ms: int, dark_ms: int) -> None:
    end = max([cut_ms + dark_ms, *(each.t_ms for each in samples)])
    closing = Sample(end, 0)
    drawn = plot(Outage(phase, t_ms=end, cut_ms=cut_ms, dark_ms=dark_ms, samples=(*samples, closing)))
    for point in drawn.line.split():
        x, y = map(float, point.split(","))
        assert drawn.left <= x <= WIDTH
        assert TOP <= y <= HEIGHT
    assert len(drawn.marks) <= 12
    if drawn.dark is not None:
        assert drawn.dark[1] >= 0
        assert drawn.dark[0] + drawn.dark[1] <= WIDTH
    assert [step.state for step in steps(Outage(phase))].count("now") <= 1
