"""The slip comes out of the hut's own printer where there is one; what was printed is forgotten with its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from devices import topics
from hub import registry, twin
from hub.arrival import Note
from hub.civic.health import slip
from hub.db import Tx
from hub.twin import Command
from tests.health.hutrig import HUT, WANG, Hut
from tests.world import LIUHE


@pytest.fixture
def hut(tmp_path: Path) -> Iterator[Hut]:
    made = Hut(tmp_path)
    yield made
    made.store.close()


def orders(hut: Hut) -> list[Command]:
    return hut.store.read_now(lambda read: list(read.session.execute(select(Command)).scalars()))


def test_the_huts_printer_prints_the_number_with_its_word_and_no_name(hut: Hut) -> None:
    hut.act(registry.add_device, "printer-1", HUT, None, "小票机", "Printer", kind="printer")
    hut.visit(WANG)
    hut.measure()
    hut.act(slip.show, HUT)
    page = hut.page()
    assert "打印机打印" in page
    assert "data-print" not in page, "or the browser would print it once more"
    (order,) = orders(hut)
    text = json.dumps(json.loads(order.args), ensure_ascii=False)
    for word in ("高压 128", "仅供", "居民健康小屋"):
        assert word in text, text
    assert "王" not in text
    done = Note(topics.Done(LIUHE, HUT, "printer-1", order.id), b'{"ok": true}', hut.clock.now(), "c1")

    def answered(tx: Tx) -> None:
        twin.heard(tx, done)

    hut.write(answered)
    assert [(each.state, each.args) for each in orders(hut)] == [("done", "{}")]


def test_without_a_printer_the_browser_prints_and_nobody_else_is_asked(hut: Hut) -> None:
    hut.visit()
    hut.act(slip.show, HUT)
    hut.measure()
    hut.act(slip.show, HUT)
    assert "data-print" in hut.page()
    assert orders(hut) == []
