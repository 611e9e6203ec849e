"""The checkout as tests of style see it: files that git tracks or would take, each parsed once."""

from __future__ import annotations

import ast
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("devices", "channels", "hub", "web", "simulators")


@cache
def tracked() -> tuple[Path, ...]:
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        words = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
        found = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:  # an archive, a machine without git, the copy of tests/planting.py
        hidden = (".venv", ".linli", ".git", "__pycache__", ".hypothesis")
        found = [path for path in ROOT.rglob("*") if not any(part in hidden or "_cache" in part for part in path.parts)]
    return tuple(sorted(path for path in found if path.is_file()))


def files(suffix: str, *rooms: str) -> list[Path]:
    """Files of these rooms (folders at the root), or of the whole checkout, with this ending."""
    return [
        path for path in tracked() if path.name.endswith(suffix) and (not rooms or name(path).split("/")[0] in rooms)
    ]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), str(path))


def module(path: Path) -> str:
    return name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file of a room names in an import statement, wherever in the file it stands."""
    here = module(path) if path.name == "__init__.py" else module(path).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = here.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(found)
