"""The crowd of the portal bench is a fair one: every box hears of a change once, by socket and by asking."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.rig.crowd import Crowd
from tests.web.shell_world import make_shell
from tests.world import LIUHE
from web.serve import HttpServer

pytestmark = pytest.mark.anyio
TOPICS = [[f"tiny.notes:{LIUHE}", f"tiny.tv:{LIUHE}"]]


async def test_every_box_of_the_crowd_counts_a_change_once(tmp_path: Path) -> None:
    shell = make_shell(tmp_path, inline=False)
    server, stop, crowd = HttpServer(shell.services, shell.app), asyncio.Event(), Crowd()
    serving = asyncio.create_task(server.run(stop))
    await server.started.wait()
    for listens, way in ((True, "live"), (False, "live/poll")):
        tokens = ["nobody"] * 4
        address = (server.host, server.port, listens, f"/{way}?surface=tv&lang=zh", tokens, TOPICS)
        await asyncio.to_thread(crowd.open, *address)
    crowd.ask_every(0.2)
    crowd.arm("停水一号")
    await shell.store.write(lambda tx: shell.tiny.note(tx, "停水一号"))
    await asyncio.to_thread(crowd.turn_for, 10.0, until_met=True)
    told = crowd.told()
    stop.set()
    await serving
    crowd.close()
    shell.store.close()
    assert (len(told["sockets"]), len(told["polls"]), told["missing"]) == (4, 4, 0)
    assert "停水一号" in told["frames"][0]
    assert set(told["answers"]) <= {"200", "304"}
