"""paho's client on asyncio: its socket is watched by the event loop, never by paho's thread or its `select()`, which
with over 1,024 descriptors silently never connects."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import traceback
from socket import socket
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client

from hub.clock import Clock

log = logging.getLogger(__name__)

WELCOME_TIMEOUT_S = 10.0  # from the TCP connection to the granted subscriptions
READ_BURST = 64  # packets per turn of the loop, so that pages stay quick during a flood
MISC_S = 1.0  # how often paho looks at its keep-alive


class PahoLine:
    """One client, one connection after the other. `lost` is set when the present one has ended."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.lost = asyncio.Event()
        self.arrived = 0  # the owner counts messages here; a burst of reads goes on while it grows
        self.faults = 0
        self._client = client
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._socket: Any = None  # paho's type covers its WebSocket wrapper, ours are socket or SSLSocket
        self._reading = False
        client.on_socket_register_write = self._on_want_write
        client.on_socket_close = self._on_socket_close

    @property
    def open(self) -> bool:
        return self._socket is not None

    async def connect(self) -> None:
        """Name look-up, TCP and TLS block in paho, so they run in a thread; nothing else may touch the client then."""
        self.lost.clear()
        await self._reconnect()
        self._socket = self._client.socket()
        if self._socket is None:
            raise ConnectionError("The broker closed the connection at once.")
        self.read_on()
        self._watch_writes()

    async def watch(self, welcomed: asyncio.Event) -> None:
        """Until the connection is lost; one that does not welcome us in time is given up."""
        ticking = asyncio.create_task(self._tick(welcomed), name="mqtt-line-tick")
        try:
            await self.lost.wait()
        finally:
            ticking.cancel()

    def drop(self) -> None:
        if self._socket is not None:
            taken, self._socket = self._socket, None
            self._reading = False
            self._unwatch(taken)
            taken.close()

    def goodbye(self) -> None:
        self._client.disconnect()
        self._client.loop_write()
        self.drop()

    def hold(self) -> None:
        """Read nothing more; TCP holds the broker back."""
        if self._reading and self._socket is not None:
            self._reading = False
            self._loop.remove_reader(self._socket)

    def read_on(self) -> None:
        if not self._reading and self._socket is not None:
            self._reading = True
            self._loop.add_reader(self._socket, self._readable)

    def fault(self, error: Exception) -> None:
        """Never the exception's text: it may quote what somebody sent."""
        self.faults += 1
        log.error("mqtt door failed", extra={"error": type(error).__name__})
        self.lost.set()

    async def _reconnect(self) -> None:
        done: asyncio.Future[None] = self._loop.create_future()

        def finish(error: Exception | None) -> None:
            if done.cancelled():  # we were stopped meanwhile
                if (late := self._client.socket()) is not None:
                    late.close()
            elif error is not None:
                done.set_exception(error)
            else:
                done.set_result(None)

        def work() -> None:
            error: Exception | None = None
            try:
                self._client.reconnect()
            except Exception as raised:
                # A refused certificate leaves paho's half-made socket in a frame of the traceback; let it go now.
                traceback.clear_frames(raised.__traceback__)
                error = raised
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(finish, error)

        # A daemon, since a broker that swallows packets must not hold up Ctrl-C for the length of a TCP time-out.
        threading.Thread(target=work, name="mqtt-connect", daemon=True).start()
        await done

    async def _tick(self, welcomed: asyncio.Event) -> None:
        started = self._clock.monotonic()
        try:
            while True:
                await self._clock.sleep(MISC_S)
                # While we do not read, an unread PINGRESP is no sign of a dead broker.
                if self._reading:
                    self._client.loop_misc()
                if not welcomed.is_set() and self._clock.monotonic() - started > WELCOME_TIMEOUT_S:
                    self.lost.set()
        except Exception as error:
            self.fault(error)

    def _readable(self) -> None:
        taken = self._socket
        try:
            for _ in range(READ_BURST):
                before = self.arrived
                rc = self._client.loop_read()
                if rc != MQTT_ERR_SUCCESS or (self.arrived == before and not _decrypted(taken)):
                    break
        except Exception as error:  # paho raises what a broken packet or one of our callbacks raised
            self.fault(error)
            return
        if self._reading and _decrypted(taken):  # those bytes do not make the descriptor readable again
            self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:
            self.fault(error)
            return
        if not self._client.want_write() and self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _on_want_write(self, *_: object) -> None:
        if threading.get_ident() == self._thread:  # else it is the CONNECT itself, and `connect` will watch
            self._watch_writes()

    def _watch_writes(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.add_writer(self._socket, self._writable)

    def _on_socket_close(self, _client: Client, _userdata: object, taken: object) -> None:
        same = taken is self._socket
        if same and self._socket is not None:
            self._unwatch(self._socket)
            self._socket = None
            self._reading = False
            self.lost.set()

    def _unwatch(self, taken: socket) -> None:
        if taken.fileno() >= 0:
            self._loop.remove_reader(taken)
            self._loop.remove_writer(taken)


def _decrypted(taken: object) -> bool:
    return isinstance(taken, ssl.SSLSocket) and taken.fileno() >= 0 and taken.pending() > 0
