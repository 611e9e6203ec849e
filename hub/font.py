"""The Chinese font of screens and TV slides: cut once to what simplified Chinese needs, kept in the state folder.

`linli` cuts it from the locked package of `requirements-font.txt`, which is fetched into a temporary folder and thrown
away again: 19 MB and its tools have no place in the environment. Without it the system's own font serves, in words.
Only weight 400 is cut; browsers thicken it for headings, which at our sizes cannot be told from a second 1.3 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FAMILY = "Noto Sans CJK SC"
# What GB 2312 and Latin-1 lack and our screens use.
_EXTRA = "℃℉₂‰€¥←↑→↓↗↘↙↖•…—–‘’“”†‡≠≤≥≈≡✓✗✕☆★○●◎◇◆□■△▲▽▼◀▶♀♂〇㎡㎏㎎㎜㎝㎞囍"
_SIMPLIFIED_FACE = 2  # of the collection's faces JP, KR, SC, TC, HK
_BROTLI_QUALITY = 9  # 0.3 s for 1.26 MB; quality 11 takes 6 s to save a tenth


@dataclass(frozen=True, slots=True)
class FontFiles:
    woff2: Path  # for browsers
    otf: Path  # for whoever draws slides
    licence: Path
    coverage: Path  # the code points drawn, as text: what `missing` reads

    def complete(self) -> bool:
        return all(path.exists() for path in (self.woff2, self.otf, self.licence, self.coverage))


class FontUnavailable(Exception):
    """The font could not be made; the sentence says why, and the system's own font serves."""


def files(state: Path) -> FontFiles:
    folder = state / "font"
    names = ("linli-sc.woff2", "linli-sc.otf", "OFL.txt", "coverage.txt")
    return FontFiles(*(folder / name for name in names))


def subset(state: Path, say: Callable[[str], None] = lambda line: None) -> FontFiles:
    """The font, made now if it is not there. Another process may do the same at the same time: the first wins."""
    ready = files(state)
    if ready.complete():
        return ready
    lock = _lock()
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="font-", dir=state) as work:
        tools, made = Path(work) / "tools", Path(work) / "font"
        say("font: fetching the Chinese font and the tool that cuts it (25 MB, once)")
        _fetch(lock, tools)
        say("font: cutting it to simplified Chinese (about 5 s)")
        made.mkdir()
        _run([sys.executable, "-P", str(Path(__file__).resolve()), str(tools), str(made)])
        if not ready.complete():
            shutil.rmtree(state / "font", ignore_errors=True)
            made.rename(state / "font")
    say(f"font: {ready.woff2.stat().st_size / 1e6:.1f} MB in {ready.woff2.parent}")
    return ready


def missing(text: str, state: Path) -> set[str]:
    """The characters of `text` that the font cannot draw; all of them, when there is no font."""
    path = files(state).coverage
    drawn = _coverage(path, path.stat().st_mtime_ns) if path.exists() else frozenset()
    return {character for character in text if ord(character) not in drawn and not character.isspace()}


def wanted() -> set[int]:
    """GB 2312 (6,763 characters and its signs), Latin-1, CJK punctuation, full-width forms, circled numbers, extras."""
    points = {ord(character) for character in _gb2312()} | {ord(character) for character in _EXTRA}
    for first, last in ((0x20, 0x7E), (0xA0, 0xFF), (0x2460, 0x2473), (0x3000, 0x303F), (0xFF01, 0xFF5E)):
        points.update(range(first, last + 1))
    return points


def _gb2312() -> Iterator[str]:
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                yield bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue  # an unassigned cell of the table


@cache
def _coverage(path: Path, changed_ns: int) -> frozenset[int]:
    points: set[int] = set()
    for line in path.read_text(encoding="ascii").split():
        first, _, last = line.partition("-")
        points.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(points)


def _lock() -> Path:
    here = Path(__file__).resolve().parent
    for folder in (here.parent, here):  # the checkout; the installed wheel
        if (folder / "requirements-font.txt").exists():
            return folder / "requirements-font.txt"
    raise FontUnavailable("requirements-font.txt is missing, so the system's own font is used")


def _fetch(lock: Path, target: Path) -> None:
    """`pip install --target` by the Python our environment was made from: the environment itself holds no pip."""
    base = getattr(sys, "_base_executable", sys.executable)
    words = [base, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes"]
    _run([*words, "--target", str(target), "-r", str(lock)])


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise FontUnavailable(f"the Chinese font could not be made ({why}); the system's own font is used")


def _cut(tools: Path, target: Path) -> None:
    """Runs in a process of its own, with the fetched tools on its path."""
    sys.path.insert(0, str(tools))
    import brotli
    from fontTools import subset as cutter
    from fontTools.ttLib import TTFont, woff2

    (collection,) = tools.rglob("NotoSansCJK-Regular.ttc")
    # Bounds are kept, not computed again, and layout features go: 8 s less, and nothing on our screens needs them.
    font = TTFont(collection, fontNumber=_SIMPLIFIED_FACE, lazy=True, recalcBBoxes=False, recalcTimestamp=False)
    options = cutter.Options(layout_features=[], hinting=False, notdef_outline=True, ignore_missing_glyphs=True)
    options.recalc_bounds = False
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx", "GSUB", "GPOS", "GDEF"]
    knife = cutter.Subsetter(options)
    knife.populate(unicodes=wanted())
    knife.subset(font)
    font.save(target / "linli-sc.otf")

    class Quick:
        """What woff2 asks of brotli, at a quality that takes no six seconds."""

        MODE_FONT = brotli.MODE_FONT

        @staticmethod
        def compress(data: bytes, mode: int) -> bytes:
            squeezed: bytes = brotli.compress(data, mode=mode, quality=_BROTLI_QUALITY)
            return squeezed

    woff2.brotli = Quick
    cut = TTFont(target / "linli-sc.otf", recalcBBoxes=False, recalcTimestamp=False)
    (target / "coverage.txt").write_text(_ranges(set(cut.getBestCmap())), encoding="ascii")
    cut.flavor = "woff2"
    cut.save(target / "linli-sc.woff2")
    (licence,) = tools.glob("noto_cjk_sans_otc-*/licenses/LICENSE")
    shutil.copyfile(licence, target / "OFL.txt")


def _ranges(points: set[int]) -> str:
    runs: list[list[int]] = []
    for point in sorted(points):
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return "\n".join(f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in runs) + "\n"


if __name__ == "__main__":
    _cut(Path(sys.argv[1]), Path(sys.argv[2]))
