"""Public bytes that many fetch over and over: answered before the application is asked, on the connection itself.

A slice that has some puts a callable into `app.state.quick`: the path of a plain GET in, the whole answer out, or None.
Whatever is not a plain GET of one piece, on an idle connection that keeps up, goes the ordinary way; so does what no
callable knows. Nothing here knows who asks: only what anybody may have can be answered so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

Quick = Callable[[bytes], bytes | None]
_END = b"\r\n\r\n"
_METHOD = b"GET /tv/"  # a door that is asked for everything would cost everybody else a look at their head
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

    def __init__(self, quick: Sequence[Quick], **given: Any) -> None:
        super().__init__(**given)
        self._quick = quick

    def data_received(self, data: bytes) -> None:
        if data.startswith(_METHOD) and self._quick and self._idle():
            answer = self._answered(data)
            if answer is not None:
                self._unset_keepalive_if_required()
                self.transport.write(answer)
                self.server_state.total_requests += 1
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
                return
        super().data_received(data)

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

    def _answered(self, data: bytes) -> bytes | None:
        if data.find(_END) != len(data) - len(_END):
            return None
        line, _break, rest = data.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1":
            return None
        head = rest.lower()
        if not (head.startswith(b"host:") or b"\nhost:" in head) or any(each in b"\n" + head for each in _HEADERS):
            return None
        for quick in self._quick:
            answer = quick(words[1])
            if answer is not None:
                return answer
        return None
