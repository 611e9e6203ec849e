"""Node-RED with its SQLite node, as its palette gives it: an mqtt-in, a function that names the parameters, an INSERT.

It comes by npm into the state folder, once. Where npm or the packages cannot be had, that stands in the output.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from bench.contestants.base import LeftOut, Opened, RowCount
from bench.rig import peer, town
from bench.rig.process import Program
from hub.settings import home

name, what = "node-red", "Node-RED behind mosquitto, its SQLite node"
PACKAGES = ("node-red", "node-red-node-sqlite")
INSTALL_S, START_S = 600.0, 60.0


def open(folder: Path) -> Opened:
    modules = _installed()
    broker, port = peer.start(folder)
    database = folder / "red.db"
    _flows(folder, port, database)
    (folder / "node_modules").symlink_to(modules)
    words = ["node", str(modules / "node-red" / "red.js"), "--userDir", str(folder), "--port", str(peer.free_port())]
    red = Program(words, folder / "red.log", folder=folder)
    opened = Opened(port, dict.fromkeys(town.GATEWAYS, "x"), [broker, red])
    deadline = time.monotonic() + START_S
    while "Connected to broker" not in red.said:
        if not red.running or time.monotonic() > deadline:
            opened.close()
            raise LeftOut(f"Node-RED did not start: {red.said[-300:]}")
        time.sleep(0.1)
    while not database.exists() or not database.stat().st_size:
        time.sleep(0.1)
    opened.count = RowCount(database, "reading")
    return opened


def _installed() -> Path:
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise LeftOut("npm is not installed (apt install npm)")
    place = home() / "bench" / "node-red"
    modules = place / "node_modules"
    if not (modules / "node-red" / "red.js").exists() or not (modules / "node-red-node-sqlite").exists():
        place.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(place), *PACKAGES]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_S, check=False, cwd=place)
        except subprocess.TimeoutExpired:
            raise LeftOut("npm did not finish installing Node-RED") from None
        if done.returncode:
            raise LeftOut(f"npm could not install Node-RED: {done.stderr.strip()[-300:]}")
    return modules


def _flows(folder: Path, port: int, database: Path) -> None:
    table = "CREATE TABLE IF NOT EXISTS reading (topic TEXT, payload BLOB, received REAL)"
    row = "INSERT INTO reading VALUES ($topic, $payload, $received)"
    name_them = "msg.params = {$topic: msg.topic, $payload: msg.payload, $received: Date.now()}; return msg;"
    broker = {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port), "clientid": "red"}
    broker |= {"protocolVersion": "4", "keepalive": "60", "cleansession": False}
    store = {"id": "store", "type": "sqlitedb", "db": str(database), "mode": "RWC"}
    sql = {"type": "sqlite", "z": "tab", "mydb": "store", "sqlquery": "fixed"}
    flows = [
        {"id": "tab", "type": "tab", "label": "bench"},
        broker,
        store,
        {"id": "once", "type": "inject", "z": "tab", "once": True, "props": [], "repeat": "", "wires": [["table"]]},
        {**sql, "id": "table", "sql": table, "wires": [[]]},
        {
            **{"id": "in", "type": "mqtt in", "z": "tab", "topic": "linli/#", "qos": "1", "datatype": "buffer"},
            **{"broker": "broker", "inputs": 0, "wires": [["name"]]},
        },
        {"id": "name", "type": "function", "z": "tab", "func": name_them, "outputs": 1, "wires": [["row"]]},
        {**sql, "id": "row", "sqlquery": "prepared", "sql": row, "wires": [[]]},
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flows.json").write_text(json.dumps(flows), encoding="utf-8")
    settings = {"flowFile": "flows.json", "httpAdminRoot": False, "logging": {"console": {"level": "info"}}}
    (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n", encoding="utf-8")
