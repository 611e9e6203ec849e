"""The static files: the shell's, each slice's under its name, the font from the state folder. Known at start, by name.

Only what is on the shelf can be asked for, so no path can climb out of it. An address carries the file's digest and may
be kept for ever; the bare address is always asked again.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import hub.civic

ROOM = Path(__file__).resolve().parent / "static"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class Item:
    path: Path

    @cached_property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def squeezed(self) -> bytes | None:
        """Gzip, when it saves something: text does, fonts and pictures do not."""
        packed = gzip.compress(self.body, mtime=0) if self.path.suffix in (".js", ".css", ".svg") else self.body
        return packed if len(packed) < len(self.body) else None

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:12]

    @property
    def kind(self) -> str:
        guessed = mimetypes.guess_type(self.path.name)[0] or "application/octet-stream"
        return _TYPES.get(self.path.suffix, guessed)


class Shelf:
    def __init__(self, state_folder: Path | None = None) -> None:
        self._items: dict[str, Item] = {}
        self._put(ROOM, "")
        for root in hub.civic.__path__:
            for folder in sorted(Path(root).glob("*/static")):
                self._put(folder, f"{folder.parent.name}/")
        if state_folder is not None and (state_folder / "font" / "linli-sc.woff2").exists():
            self._items["font/linli-sc.woff2"] = Item(state_folder / "font" / "linli-sc.woff2")

    def _put(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                self._items[prefix + path.relative_to(folder).as_posix()] = Item(path)

    def has(self, name: str) -> bool:
        return name in self._items

    def get(self, name: str) -> Item | None:
        return self._items.get(name)

    def address(self, name: str) -> str:
        """`asset("web.css")` in a template. A missing file is an error of the page's writer, said at once."""
        return f"/static/{name}?v={self._items[name].digest}"

    def version(self) -> str:
        """One digest over the shell's own files: the name of the service worker's cache."""
        whole = hashlib.sha256()
        for name, item in self._items.items():
            if not name.startswith("font/"):
                whole.update(item.digest.encode())
        return whole.hexdigest()[:12]
