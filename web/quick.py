"""Public bytes that many fetch over and over: answered before the application is asked, on the connection itself.

Whoever has some puts a callable into `app.state.quick` under the first step of its path: a plain GET in, the whole
answer out, or None, or a future after which it shall be asked again; or an answer that stands for the very same request
until it is called off. Whatever is not a plain GET of one piece, on an
idle connection that keeps up, goes the ordinary way; so does what no callable knows. Nothing here knows who asks: only
what anybody may have can be answered so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(slots=True)
class Lasting:
    """An answer that may be given again to the same bytes on the same line, as long as it is good."""

    answer: bytes
    good: bool = True


Answer = bytes | Lasting | asyncio.Future[Any] | None
Quick = Callable[[bytes, bytes], Answer]  # the address, and the lines below it as they came
TV, LIVE = b"/tv/", b"/live/"
WAITING_BYTES_MAX = 64 * 1024
_END = b"\r\n\r\n"
# A door that is asked for everything would cost everybody else a look at their head.
_BEGINS = tuple(b"GET " + step for step in (TV, LIVE))
# With one of these a request means more than its first line.
_HEADERS = (
    b"\nconnection: close",
    b"\nupgrade:",
    b"\ncontent-length:",
    b"\ntransfer-encoding:",
    b"\nexpect:",
    b"\nrange:",
)


class QuickHttp(H11Protocol):
    """uvicorn's own protocol, with a shorter way for `Quick` answers."""

    def __init__(self, quick: Mapping[bytes, Quick], **given: Any) -> None:
        super().__init__(**given)
        self._quick = quick
        self._plain = b""  # what stood below the first line when that was last looked at; a player repeats it
        self._again: tuple[bytes, Lasting] | None = None  # what this line asks over and over, and is told
        self._answered_at = 0.0
        self._waiting = b""  # a request whose answer is being made, and whatever came behind it

    def data_received(self, data: bytes) -> None:
        if self._waiting:
            self._waiting += data
            if len(self._waiting) > WAITING_BYTES_MAX:
                self.transport.close()
            return
        if data.startswith(_BEGINS) and self._quick and self._idle():
            again = self._again
            answer: Answer = again[1] if again and again[1].good and again[0] == data else self._answered(data)
            if isinstance(answer, Lasting):
                if again is None or again[1] is not answer:
                    self._again, self._plain = (data, answer), b""
                answer = answer.answer
            if isinstance(answer, bytes):
                self._write(answer)
                return
            if answer is not None:
                self._unset_keepalive_if_required()
                self._waiting = data
                answer.add_done_callback(self._ask_again)
                return
        super().data_received(data)

    def _write(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _look_again(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """One timer for many short answers: it looks whether the line has been quiet for as long as all that."""
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._look_again(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _ask_again(self, _made: object) -> None:
        data, self._waiting = self._waiting, b""
        if not self.transport.is_closing():
            self.data_received(data)

    def _idle(self) -> bool:
        """Nothing is under way, nothing waits to be read or to be taken by a slow viewer."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.conn.our_state is h11.IDLE
            and self.conn.their_state is h11.IDLE
            and not self.conn.trailing_data[0]
            and not self.transport.get_write_buffer_size()
            and not self.transport.is_closing()
        )

    def _answered(self, data: bytes) -> Answer:
        if data.find(_END) != len(data) - len(_END):
            return None
        line, _break, rest = data.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1":
            return None
        if rest != self._plain:
            head = b"\n" + rest.lower()
            if b"\nhost:" not in head or any(each in head for each in _HEADERS):
                return None
            self._plain = rest
        quick = self._quick.get(words[1][: words[1].index(b"/", 1) + 1])
        return None if quick is None else quick(words[1], rest)
