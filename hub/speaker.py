"""A loudspeaker's own report: what it said of the board, in whose voice. An account of kind `speaker`, and no other.

It reads the signed board like any screen and answers on `up/horn/done/<notice>` of its own tree. A report is a proof,
so it counts only from the account the operator made for that place; anything else is settled and means nothing.
"""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import msgspec

from devices import topics
from hub.arrival import Note
from hub.db import Tx
from hub.events import SpeakerReported
from hub.registry import Credential

log = logging.getLogger(__name__)
KIND = "speaker"


class Result(msgspec.Struct, frozen=True):
    rev: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    round: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    voice: Literal["clip", "machine", "chime"]
    seconds: Annotated[int, msgspec.Meta(ge=0, le=3_600)]


class Report(msgspec.Struct, frozen=True):
    """`{ok, result | error}` of contracts.md 1, as a speaker writes it."""

    ok: bool
    result: Result
    error: Annotated[str, msgspec.Meta(max_length=40)] = ""


_READER = msgspec.json.Decoder(Report)


def heard(tx: Tx, note: Note) -> None:
    topic = note.topic
    if not isinstance(topic, topics.Done) or topic.device != topics.HORN:
        return
    account = tx.session.get(Credential, topic.gateway)
    if account is None or account.kind != KIND or account.revoked is not None or account.area != topic.area:
        log.warning("a report from no loudspeaker of this place", extra={"account": topic.gateway, "area": topic.area})
        return
    try:
        said = _READER.decode(note.payload)
    except msgspec.DecodeError:  # covers what is well-formed and means nothing, too
        log.warning("a report that says nothing", extra={"speaker": topic.gateway})
        return
    result = "said" if said.ok else "stopped" if said.error == "stopped" else "failed"
    tx.emit(
        SpeakerReported, speaker=topic.gateway, area=topic.area, notice=topic.id, revision=said.result.rev,
        round=said.result.round, result=result, voice=said.result.voice, seconds=said.result.seconds,
    )  # fmt: skip
