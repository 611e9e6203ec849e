"""The signed board: a screen believes only what we signed, only newer, only for its place; a kill loses no change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.audience import Audience
from hub.civic.notices import board, desk
from hub.civic.notices.board import BadBoard, BoardKey
from tests.notices.office import Office, open_office, words
from tests.world import DISTRICT, LIUHE, START, TAYING

KEY = BoardKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {KEY.id: KEY.public}


@dataclass
class Wire:
    """Where the door would publish; `dies_at` ends the program in the middle, as a power cut does."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    dies_at: int | None = None

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        assert (qos, retain) == (1, True)
        if self.dies_at == len(self.sent):
            raise ConnectionError("the program was killed here")
        self.sent.append((topic, json.loads(payload)))
        area = topic.split("/")[2]
        board.verify(payload, KEYS, area=area, after_seq=-1, now=datetime.fromisoformat(json.loads(payload)["at"]))

    async def cut(self, account: str) -> None:
        return None


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    yield made
    made.store.close()


def publish(office: Office, wire: Wire) -> None:
    async def all_due() -> None:
        while await board.publish_due(SimpleNamespace(store=office.store, door=wire), KEY):  # type: ignore[arg-type]
            pass

    asyncio.run(all_due())


def titles(wire: Wire, area: str) -> list[list[str]]:
    boards = [body for topic, body in wire.sent if topic == f"linli/1/{area}/board"]
    return [[each["title"] for each in body["notices"]] for body in boards]


def test_a_notice_is_on_the_board_of_every_community_below_and_gone_when_withdrawn(office: Office) -> None:
    wire = Wire()
    made = office.released(audience=Audience((DISTRICT,)))
    publish(office, wire)
    office.store.write_now(lambda tx: desk.retract(tx, office.publisher, made.id, "It was a mistake"))
    publish(office, wire)
    for area in (LIUHE, TAYING):
        assert titles(wire, area) == [["停水通知"], []]
    sequence = [body["seq"] for topic, body in wire.sent if topic.endswith(f"{LIUHE}/board")]
    assert sequence == [1, 2]


def test_a_board_says_exactly_what_the_contract_says(office: Office) -> None:
    wire = Wire()
    office.released()
    publish(office, wire)
    [(_topic, body)] = wire.sent
    assert set(body) == {"area", "seq", "at", "expires", "notices", "key", "sig"}
    [entry] = body["notices"]
    assert set(entry) == {"id", "rev", "priority", "kind", "title", "text", "not_before", "expires", "lang"}


def test_a_change_that_was_not_published_when_the_program_died_is_published_after_the_start(office: Office) -> None:
    office.released()
    with pytest.raises(ConnectionError):
        publish(office, Wire(dies_at=0))
    wire = Wire()
    publish(office, wire)
    assert titles(wire, LIUHE) == [["停水通知"]]
    assert wire.sent[0][1]["seq"] == 2  # the number that was lost with the program is never used again


def test_a_change_while_a_board_is_being_published_is_published_too(office: Office) -> None:
    office.released()
    boards = office.store.write_now(board.next_boards)
    office.released(title="停电通知")
    office.store.write_now(lambda tx: board.published(tx, boards))
    wire = Wire()
    publish(office, wire)
    assert titles(wire, LIUHE) == [["停电通知", "停水通知"]] or titles(wire, LIUHE) == [["停水通知", "停电通知"]]


def test_after_a_start_and_before_it_grows_stale_a_board_goes_out_again(office: Office) -> None:
    wire = Wire()
    office.released()
    publish(office, wire)
    office.store.write_now(board.mark_all)
    publish(office, wire)
    office.clock.advance(board.RENEW_HOURS * 3600 + 1)
    publish(office, wire)
    assert [body["seq"] for _topic, body in wire.sent] == [1, 2, 3]


TEXTS = st.text(max_size=40)


@given(TEXTS, TEXTS, st.integers(1, 2**53))
def test_what_was_signed_verifies_and_any_change_does_not(title: str, text: str, seq: int) -> None:
    body = {
        "area": LIUHE, "seq": seq, "at": START.isoformat(), "expires": (START + timedelta(hours=1)).isoformat(),
        "notices": [{"id": "n", "title": title, "text": text}],
    }  # fmt: skip
    payload = board.signed(body, KEY)
    got = board.verify(payload, KEYS, area=LIUHE, after_seq=seq - 1, now=START)
    assert got["notices"] == body["notices"]
    forged = json.loads(payload)
    forged["notices"][0]["title"] += "。"
    with pytest.raises(BadBoard):
        board.verify(json.dumps(forged).encode(), KEYS, area=LIUHE, after_seq=seq - 1, now=START)
    for wrong in (
        {"area": TAYING, "after_seq": seq - 1, "now": START},
        {"area": LIUHE, "after_seq": seq, "now": START},
        {"area": LIUHE, "after_seq": seq - 1, "now": START + timedelta(hours=1)},
    ):
        with pytest.raises(BadBoard):
            board.verify(payload, KEYS, **wrong)  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_rubbish_is_no_board(rubbish: bytes) -> None:
    with pytest.raises(BadBoard):
        board.verify(rubbish, KEYS, area=LIUHE, after_seq=0, now=START)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first, second = BoardKey.open(tmp_path), BoardKey.open(tmp_path)
    assert first.public == second.public
    assert (tmp_path / "keys" / "board.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["board.key"]


def test_hostile_text_stays_text_on_the_board(office: Office) -> None:
    wire = Wire()
    made = office.store.write_now(lambda tx: desk.draft(tx, office.staff, words(title="<script>alert(1)</script>")))
    office.store.write_now(lambda tx: desk.release(tx, office.staff, made.id))
    publish(office, wire)
    assert titles(wire, LIUHE) == [["<script>alert(1)</script>"]]
