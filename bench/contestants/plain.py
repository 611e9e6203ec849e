"""What one writes in an afternoon: paho-mqtt, SQLite, one commit for each message. As durable as ours.

Run as a program this file is that subscriber.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from bench.contestants.base import Opened, RowCount
from bench.rig import peer, town
from bench.rig.process import Program, python

name, what = "plain", "paho-mqtt and SQLite, one commit a message"


def open(folder: Path) -> Opened:
    broker, port = peer.start(folder)
    database = folder / "plain.db"
    store = _store(database)
    store.close()
    hub = Program(python("bench.contestants.plain", str(port), str(database)), folder / "plain.log", speaks=True)
    hub.ask("")
    return Opened(port, dict.fromkeys(town.GATEWAYS, "x"), [broker, hub], RowCount(database, "reading"))


def _store(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE IF NOT EXISTS reading (topic TEXT, payload BLOB, received REAL)")
    return store


def main() -> None:
    import threading
    import time

    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion

    store, subscribed = _store(Path(sys.argv[2])), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="plain", clean_session=False, manual_ack=True)

    def keep(client: Client, _data: object, message: MQTTMessage) -> None:
        row = (message.topic, message.payload, time.time())
        store.execute("INSERT INTO reading VALUES (?, ?, ?)", row)
        client.ack(message.mid, message.qos)

    client.on_message = keep
    client.on_connect = lambda *_: client.subscribe("linli/#", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_start()
    subscribed.wait()
    sys.stdin.readline()
    print("ready", flush=True)
    sys.stdin.read()  # until whoever started us closes it
    client.loop_stop()


if __name__ == "__main__":
    main()
