"""Taking in (补录): frames that were set aside while a device was held back become readings, once, when it is released.

They go the ordinary way (hub/arrival.py, hub/batch.py) with the times they came with: keys, judgement, rules and flags
are those they would have had. A visit that was open then is over, so they are tied to nobody. What is refused after
all keeps its place in quarantine under its true reason.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.exc import InterfaceError, OperationalError

from hub import bulk, held, lifecycle, quarantine
from hub.arrival import SPEAKING, Device, Frame, Opened, read_record
from hub.batch import write_batch
from hub.civic.fleet.events import FramesLeft, FramesTakenIn
from hub.db import Tx
from hub.held import HeldFrame
from hub.quarantine import hub_poison
from hub.services import Services
from hub.uplink import Uplink, Verdict

log = logging.getLogger(__name__)
PAGE = 100  # frames a transaction: ingest must not wait behind it


async def once(hub: Services) -> int:
    """Take in what is due of devices in use; one that a release has just freed waits for the registry's look."""
    count = 0
    for ident in await hub.store.read(held.due):
        device = hub.registry.device(ident)
        if device is None or device.state not in SPEAKING:
            continue
        while page := await hub.store.read(lambda read, ident=ident: held.next_due(read, ident, PAGE)):  # type: ignore[misc]
            await _page(hub, device, page)
            count += len(page)
    return count


async def _page(hub: Services, device: Device, idents: Sequence[str]) -> None:
    """One page in one transaction. A frame that the store or a rule cannot bear is found by halving, as ingest does."""
    try:
        await hub.store.write(lambda tx: take(tx, device, idents))
    except (InterfaceError, OperationalError, OSError):
        raise  # the disk or the line, not a frame: the job tries again
    except Exception as error:
        if len(idents) > 1:
            half = len(idents) // 2
            await _page(hub, device, idents[:half])
            await _page(hub, device, idents[half:])
            return
        log.exception("a held frame could not be stored", extra={"frame": idents[0]})
        why = hub_poison("unworkable", error=type(error).__name__)
        await hub.store.write(lambda tx: _refuse(tx, device, idents[0], why))


def take(tx: Tx, device: Device, idents: Sequence[str]) -> None:
    """These frames, in the order in which they came. What somebody else has taken in meanwhile is left alone."""
    rows = held.rows(tx, idents)
    read = [(row, _read(tx, row, device)) for row in rows]
    for row, opened in read:
        if opened.poisons:
            why = {name: getattr(opened.poisons[0], name) for name in ("reason", "sentence", "fields")}
            quarantine.judge_again(tx, row.quarantine, why)
            held.settle(tx, row.quarantine, "refused", opened.poisons[0].reason)
    good = [(row, opened) for row, opened in read if not opened.poisons]
    outcome = write_batch(tx, [opened for _row, opened in good])
    denied = _denied(tx, good)
    count: Counter[held.State] = Counter({"refused": len(rows) - len(good)})
    for (row, _opened), verdict in zip(good, outcome.verdicts, strict=True):
        state: held.State = "stored" if verdict is Verdict.STORED else "twice"
        if state == "twice" and row.quarantine in denied:
            state = "refused"
        held.settle(tx, row.quarantine, state, "conflict" if state == "refused" else "")
        count[state] += 1
    quarantine.taken_in(tx, [row.quarantine for row, _opened in good])
    if rows:
        tx.emit(
            FramesTakenIn, device=device.id, area=device.area, stored=count["stored"], twice=count["twice"],
            refused=count["refused"],
        )  # fmt: skip
        tx.touch("operations.huts", "all")


def _read(tx: Tx, row: HeldFrame, device: Device) -> Opened:
    payload = held.opened(tx, row)
    uplink = Uplink(row.gateway, f"held/{row.quarantine}", payload, row.received, _settled)
    opened = Opened(uplink, row.frame, arrivals=[], poisons=[])
    frame = Frame(row.codec, payload, row.at, row.anchor, row.boot, row.seq, row.place)
    read_record(opened, frame, device, tx.new_id, row.entry)
    return opened


def _denied(tx: Tx, read: Sequence[tuple[HeldFrame, Opened]]) -> set[str]:
    """The frames that contradict what is stored. The batch has given them a row of their own, which says so."""
    entries = {
        hashlib.sha256(f"conflict|{arrival.key}|{arrival.raw_sha256}".encode()).hexdigest(): row.quarantine
        for row, opened in read
        for arrival in opened.arrivals
    }
    known = bulk.known(tx, "quarantine", "entry", entries) if entries else set()
    return {entries[entry] for entry in known}


def _refuse(tx: Tx, device: Device, ident: str, why: dict[str, object]) -> None:
    quarantine.judge_again(tx, ident, why)
    held.settle(tx, ident, "refused", "unworkable")
    tx.emit(FramesTakenIn, device=device.id, area=device.area, stored=0, twice=0, refused=1)


def wanted(tx: Tx, device: str, *, take_in: bool) -> int:
    """An operator's word on what was set aside: take it in, or leave it."""
    found = lifecycle.device(tx, device)
    count = held.decide(tx, device, take=take_in)
    if count and not take_in:
        tx.emit(FramesLeft, device=device, area=lifecycle.area_of(tx, found), count=count)
    return count


def _settled(_verdict: Verdict) -> None:
    """The gateway was answered when the frame was set aside."""
