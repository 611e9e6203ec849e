"""补传: the operator sees which readings waited in a hut's outbox, an hour as well as a month."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devices import topics
from hub.civic.operations import recent
from hub.civic.operations.scope import WHOLE
from hub.uplink import Uplink
from tests.operations.opsrig import HUT, Ops
from tests.world import LIUHE

# A cuff without a clock: the gateway's stamp says when it was.
FRAME = bytes.fromhex("04" + "8000" + "5200" + "6100" + "4800")


def kept(ops: Ops, seq: int, taken: datetime) -> Uplink:
    record = {"codec": "sig.2a35", "hex": FRAME.hex(), "at": taken.isoformat()}
    body = {"boot": "b1", "seq": seq, "records": [record]}
    uplink = ops.up(json.dumps(body).encode())
    uplink.topic = topics.pack(LIUHE, HUT, "bp-1")
    return uplink


@pytest.mark.parametrize(
    ("waited", "marked"),
    [(timedelta(0), False), (timedelta(minutes=9), False), (timedelta(hours=1), True), (timedelta(days=40), True)],
)
def test_a_reading_that_waited_in_an_outbox_is_marked(tmp_path: Path, waited: timedelta, marked: bool) -> None:
    ops = Ops(tmp_path)
    ops.send(kept(ops, 1, ops.clock.now() - waited))
    (shown,) = ops.store.read_now(lambda read: recent.newest(read, WHOLE))
    assert shown.late is marked
    ops.store.close()
