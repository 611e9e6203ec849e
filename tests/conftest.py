"""What every test may lean on: system programs by name, a Chromium, one event loop library.

A test that needs a program of the system says so: `pytestmark = needs("chromium")`, `@needs("mosquitto")`.
Where the package is not installed the test is skipped and counted under its name; LINLI_TEST_ALL=1 (CI) makes that a
failure, so that a run cannot be green by absence.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx._transports.default
import hypothesis
import pytest

from hub import garbage

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_ROOT = Path(__file__).resolve().parent.parent
TEST_ALL = os.environ.get("LINLI_TEST_ALL") == "1"
_SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
_PACKAGES = {
    "chromium": "chromium fonts-noto-cjk",
    "mosquitto": "mosquitto mosquitto-clients",
    "mosquitto_pub": "mosquitto-clients",
    "mqtt_js": "nodejs npm - then npm ci in tests/interop",
}

# A deadline measures the machine's other work; what must be quick has a test of its own.
_EXAMPLES = 100 if os.environ.get("LINLI_TEST_LONG") == "1" else 25  # where a test does not say how many it needs
hypothesis.settings.register_profile("house", deadline=None, print_blob=True, max_examples=_EXAMPLES)
hypothesis.settings.load_profile("house")


# Nobody pulls the plug of a test's store, so none waits for a disk: 4 ms a commit, and some hundred thousand commits.
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 6 * 1024**3  # noqa: S108 - the folder in it is this run's own
_OURS = "linli-tests-"


def _stay_in_memory() -> Path | None:
    """Let all temporary files of this run, its workers and hubs lie in memory, where there is plenty; the folder."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    for other in MEMORY.glob(f"{_OURS}*"):  # a run that was killed
        if not Path(f"/proc/{other.name.removeprefix(_OURS)}").exists():
            shutil.rmtree(other, ignore_errors=True)
    if shutil.disk_usage(MEMORY).free < MEMORY_BYTES_MIN:
        return None
    folder = MEMORY / f"{_OURS}{os.getpid()}"
    folder.mkdir(mode=0o711)  # the account of PostgreSQL passes through
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    return folder


_memory = _stay_in_memory()


def pytest_unconfigure() -> None:
    if _memory is not None:
        shutil.rmtree(_memory, ignore_errors=True)


garbage.spare_start()  # collecting is a start like the hub's own

# httpx reads the world's authorities anew for each client, 20 ms of every test that opens one; here once a process.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)


@cache
def program(name: str) -> str | None:
    """Where the program of a system package is: chromium, mosquitto, postgresql (its `initdb`), ffmpeg, ..."""
    if name == "chromium":
        return next((path for path in (os.environ.get("LINLI_CHROMIUM"), *map(shutil.which, _CHROMIUMS)) if path), None)
    if name == "mqtt_js":
        found = Path(__file__).parent / "interop/node_modules/mqtt"
        return str(found) if shutil.which("node") and found.is_dir() else None
    if name == "postgresql":
        servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
        return str(servers[-1]) if servers[-1].is_file() else None
    return shutil.which(name, path=_SBIN)


def needs(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.needs(*names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps a loop running in the main thread, and asyncio tests want their own."""
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """What the imports left is no garbage: looking through it again and again was a twentieth of all CPU time."""
    garbage.started()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker takes all that walks through the demo, so that only one is built, all that reads our own sources, and
    all of a file that builds its world once for all its tests; the rest goes one by one.

    pytest-xdist's own groups have no effect with pytest 9: it writes them where pytest no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def __init__(self, *words: Any) -> None:
            super().__init__(*words)
            self._blocks: dict[str, str] = {}

        def _split_scope(self, nodeid: str) -> str:
            if not self._blocks:
                self._blocks.update(_blocks(self.collection))
            return self._blocks[nodeid]

        def _reschedule(self, node: Any) -> None:
            # A worker begins a test only when it holds the next one too; the successor of a dead one would hold one.
            super()._reschedule(node)
            if self.workqueue and node in self.assigned_work and self._pending_of(self.assigned_work[node]) < 2:
                super()._reschedule(node)

        def remove_node(self, node: Any) -> str | None:
            """The test that took its worker down has failed and is not tried again; the rest of its work is."""
            held = self.assigned_work.pop(node)
            left = [(scope, name) for scope, names in held.items() for name, done in names.items() if not done]
            if not left:
                return None
            scope, fatal = left[0]
            held[scope][fatal] = True
            self.workqueue.update({scope: names for scope, names in held.items() if not all(names.values())})
            for other in self.assigned_work:
                self._reschedule(other)
            return fatal

    return Together(config, log)


WHOLE = ("tests/e2e/", "tests/house/")  # one demo for all of it; every source parsed once for all of it


def _blocks(tests: list[str]) -> dict[str, str]:
    """What stays together, by test. A file's browser tests stand apart from its plain ones, for they come last."""
    blocks, before, runs = dict[str, str](), "", Counter[str]()
    for test in tests:
        path = test.partition("::")[0]
        runs[path] += path != before
        folder = next((each for each in WHOLE if path.startswith(each)), "")
        blocks[test] = folder or (f"{path} {runs[path]}" if _builds_a_world(path) else test)
        before = path
    return blocks


@cache
def _builds_a_world(path: str) -> bool:
    """Does this file make something once for all its tests? What starts the tests reads no more of it than its text."""
    return 'scope="module"' in (_ROOT / path).read_text(encoding="utf-8")


# The demo's walk is the longest group: it begins while the other worker still has plain ones.
PLAIN, DEMO, BROWSER = range(3)


def _turn(item: pytest.Item) -> int:
    names = getattr(item, "fixturenames", ())
    if "demo" in names and item.path.parent.name == "e2e":
        return DEMO
    return BROWSER if "browser" in names else PLAIN


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if program(name) is None:
                package = _PACKAGES.get(name, name)
                if TEST_ALL:
                    pytest.fail(
                        f"LINLI_TEST_ALL is set and {name} is not installed: apt install {package}", pytrace=False
                    )
                pytest.skip(f"no {name}: apt install {package}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Counted from the reports, not where the skip happened: that may have been in another process.
    said = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    absent = Counter(found[1] for text in said if (found := re.search(r"no [\w_]+: apt install ([\w -]+)", text)))
    for package, count in sorted(absent.items()):
        terminalreporter.write_line(f"{count} tests skipped for want of a system package: apt install {package}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = program("chromium")
    if path is None:
        pytest.fail("mark this test with needs('chromium')", pytrace=False)
    return path


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One Chromium for the whole run; each test opens its own context (`browser.new_context()`), its own cookies."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=chromium_flags())
        yield chromium
        chromium.close()


def chromium_flags() -> list[str]:
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage"]
    return [*quiet, "--no-sandbox"] if os.geteuid() == 0 else quiet
