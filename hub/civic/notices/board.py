"""The signed MQTT board: what holds in one community now, retained, so that a screen needs nothing but the broker.

Transactional: each change raises `wanted` in its own transaction; a job takes the next `seq`, signs what then holds,
publishes it and only then writes `published`. Killed anywhere in between, the board goes out again with a higher `seq`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import bindparam, or_, select, update
from sqlmodel import col

from devices import topics
from hub.civic.notices import active, speech
from hub.civic.notices.models import Board, Notice
from hub.db import Read, Tx
from hub.keyfile import kept
from hub.services import Services
from hub.upsert import insert_for

BOARD_HOURS = 24  # a screen that hears nothing for a day shows no notice rather than an old one
RENEW_HOURS = 8  # so that two renewals may fail before a screen falls silent
NOTICES_MAX = 20  # with the longest texts about 250 kB less than the broker's limit; more nobody reads
BATCH_BOARDS = 100  # a city notice is 1,557 boards; each transaction stays short
POLL_S = 0.5


class BadBoard(Exception):
    """A board a screen must not show."""


@dataclass(frozen=True)
class BoardKey:
    private: Ed25519PrivateKey

    @classmethod
    def open(cls, folder: Path) -> BoardKey:
        """Read `keys/board.key` of a data folder, or make it (mode 600) on first use."""
        raw = kept(folder / "keys" / "board.key", _fresh)
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.public).hexdigest()[:16]


def _fresh() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def canonical(board: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: without `sig`, keys sorted, no blanks, UTF-8."""
    body = {name: value for name, value in board.items() if name != "sig"}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def signed(board: Mapping[str, Any], key: BoardKey) -> bytes:
    body = {**board, "key": key.id}
    sig = base64.b64encode(key.private.sign(canonical(body))).decode()
    return canonical(body)[:-1] + b',"sig":' + json.dumps(sig).encode() + b"}"


def verify(payload: bytes, keys: Mapping[str, bytes], *, area: str, after_seq: int, now: datetime) -> dict[str, Any]:
    """What a screen does with a board: the board, or BadBoard saying why it must not be shown."""
    try:
        board: dict[str, Any] = json.loads(payload)
        public = Ed25519PublicKey.from_public_bytes(keys[board["key"]])
        public.verify(base64.b64decode(board["sig"], validate=True), canonical(board))
        expires, seq = datetime.fromisoformat(board["expires"]), int(board["seq"])
    except InvalidSignature:
        raise BadBoard("the signature does not belong to this text") from None
    except (KeyError, TypeError, ValueError) as fault:
        raise BadBoard("not a board signed by a key we know") from fault
    if board["area"] != area:
        raise BadBoard("a board of another place")
    if seq <= after_seq:
        raise BadBoard("an older board than the one we have")
    if expires <= now:
        raise BadBoard("the board is out of date")
    return board


def compose(
    area: str, seq: int, at: datetime, notices: Sequence[Notice], says: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """`says`: what the loudspeakers of the place are to say, by notice (speech.py)."""
    aloud = says or {}
    return {
        "area": area,
        "seq": seq,
        "at": at.isoformat(),
        "expires": (at + timedelta(hours=BOARD_HOURS)).isoformat(),
        "notices": [
            {**_entry(each), **({"say": aloud[each.id]} if each.id in aloud else {})} for each in notices[:NOTICES_MAX]
        ],
    }


def _entry(notice: Notice) -> dict[str, Any]:
    begins = notice.not_before or notice.released_at
    return {
        "id": notice.id, "rev": notice.revision, "priority": notice.priority, "kind": notice.kind,
        "title": notice.title, "text": notice.text, "not_before": begins.isoformat() if begins else None,
        "expires": notice.expires.isoformat(), "lang": "zh",
    }  # fmt: skip


def mark(tx: Tx, areas: Sequence[str]) -> None:
    """These boards must be published anew: written with the change itself."""
    if not areas:
        return
    fresh = insert_for(tx)(Board).on_conflict_do_nothing(index_elements=["area"])
    tx.session.execute(fresh, [{"area": area, "seq": 0, "wanted": 0, "published": 0} for area in areas])
    tx.session.execute(update(Board).where(col(Board.area).in_(areas)).values(wanted=col(Board.wanted) + 1))


def mark_all(tx: Tx) -> None:
    """After a start the broker may have forgotten what it retained."""
    tx.session.execute(update(Board).values(wanted=col(Board.wanted) + 1))


def waiting(read: Read) -> bool:
    return read.session.execute(_WAITING, {"old": _old(read.now())}).first() is not None


def next_boards(tx: Tx) -> list[tuple[int, dict[str, Any]]]:
    """The next boards to sign, each with the `wanted` it answers; their new `seq` is on disk before anyone sees it."""
    rows = tx.session.execute(
        select(Board)
        .where(_STALE)
        .order_by(col(Board.area))
        .limit(BATCH_BOARDS)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True),
        {"old": _old(tx.now())},
    ).scalars()
    found = []
    for row in rows:
        row.seq += 1
        tx.session.add(row)
        shown = active.notices_of(tx, row.area)
        says = speech.of_place(tx, row.area, shown)
        found.append((row.wanted, compose(row.area, row.seq, tx.now(), shown, says)))
    return found


def published(tx: Tx, boards: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    for wanted, board in boards:
        tx.session.execute(
            update(Board)
            .where(col(Board.area) == board["area"], col(Board.published) < wanted)
            .values(published=wanted)
        )
        tx.session.execute(update(Board).where(col(Board.area) == board["area"]).values(at=tx.now()))


async def publish_due(services: Services, key: BoardKey) -> int:
    """Sign and publish what is waiting, one batch. Returns how many boards went out."""
    door = services.door
    if door is None or not await services.store.read(waiting):
        return 0
    boards = await services.store.write(next_boards)
    for _wanted, board in boards:
        await door.publish(topics.board(board["area"]), signed(board, key), qos=1, retain=True)
    await services.store.write(lambda tx: published(tx, boards))
    return len(boards)


async def keep_published(services: Services) -> None:
    """The job: republish all at start, then whatever changes."""
    key = BoardKey.open(services.data)
    await services.store.write(mark_all)
    while True:
        if await publish_due(services, key) == 0:
            await services.clock.sleep(POLL_S)


_STALE = or_(col(Board.wanted) != col(Board.published), col(Board.at) < bindparam("old"))
_WAITING = select(col(Board.area)).where(_STALE).limit(1)  # made once: it is asked twice a second for ever


def _old(now: datetime) -> datetime:
    return now - timedelta(hours=RENEW_HOURS)
