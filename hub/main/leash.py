"""The leash: a child process ends with its parent, however the parent ended, kill -9 included.

The child reads a pipe whose other end only its parent holds. What comes through it is a word; its end means that
nobody is there any more. It needs no signal, no polling and no call that only one system has.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

STDIN, WORD_BYTES_MAX = 0, 256
ALONE = 75  # the exit status of a child whose parent went away


def hold(heard: Callable[[str], None] = lambda _word: None) -> None:
    """From now on this process lives no longer than whoever holds its standard input; what it says is given to `heard`,
    in a thread."""

    def listen() -> None:
        # Not through sys.stdin: a thread waiting inside its buffer makes the interpreter's own ending fail.
        while word := os.read(STDIN, WORD_BYTES_MAX):
            heard(word.decode("utf-8", "replace").strip())
        os._exit(ALONE)

    threading.Thread(target=listen, name="leash", daemon=True).start()
