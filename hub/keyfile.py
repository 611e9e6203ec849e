"""A key in the data folder, made on first use: mode 600, never half-written, the same for whoever comes second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        waiting = path.with_suffix(f".{os.getpid()}")
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(waiting, path)  # whoever comes first; a half-written key is never seen
        except FileExistsError:
            pass
        finally:
            waiting.unlink()
    return path.read_bytes()
