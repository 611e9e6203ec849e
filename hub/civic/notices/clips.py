"""A person's own voice for the loudspeaker: looked at before it is kept, laid beside the database under its hash.

The village believes its secretary's voice more than a machine's. It is trusted as far as one person is: a notice that
two people sign is read by the machine, word for word, since nobody signed what a recording says.
"""

from __future__ import annotations

import hashlib
import io
import math
import sys
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.notices import active, board, rules
from hub.civic.notices.events import ClipDropped, ClipKept
from hub.civic.notices.models import Clip, Notice, Speech
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import _
from hub.keyfile import kept

BYTES_MAX = 8 * 1024 * 1024  # what the shell lets through: two minutes as a telephone records (32 kHz, one channel)
SECONDS_MIN, SECONDS_MAX = 1, 120  # as long as the machine would speak at most
RATES = range(8_000, 48_001)
QUIET_DB = -45  # below this a speaker on a pole says nothing that anybody hears
CLIPPED_SHARE_MAX = 0.02  # of samples at the stop: above it a voice is a rattle
_LOOKED_AT = 200_000  # samples: enough for a level, a blink of work
_FULL = 32_768


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording that can be played as it is: 16 bit, one channel, and nothing in the file but the sound."""

    data: bytes
    ms: int
    level_db: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def listened(data: bytes) -> Sound:
    """Pure: what is in these bytes, whatever they are called; Refused says what to do about it."""
    if len(data) > BYTES_MAX:
        raise Refused(_("The recording is too large; record at most two minutes"))
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            width, rate, count = file.getsampwidth(), file.getframerate(), file.getnframes()
            both, frames = file.getnchannels(), file.readframes(count)
    except (wave.Error, EOFError, ValueError, RuntimeError):
        raise Refused(_("This is not a WAV recording; save it as WAV (PCM, 16 bit)")) from None
    if width != 2 or both not in (1, 2) or rate not in RATES or len(frames) != count * both * 2:
        raise Refused(_("This is not a WAV recording; save it as WAV (PCM, 16 bit)"))
    if not SECONDS_MIN * rate <= count <= SECONDS_MAX * rate:
        raise Refused(_("The recording must last from 1 second to 2 minutes"))
    samples = array("h", frames)
    if sys.byteorder == "big":
        samples.byteswap()
    voice = (
        samples if both == 1 else array("h", [(a + b) // 2 for a, b in zip(samples[::2], samples[1::2], strict=True)])
    )
    level_db, clipped = _level(voice)
    if level_db < QUIET_DB:
        raise Refused(_("Nothing can be heard in this recording; speak closer to the microphone"))
    if clipped > CLIPPED_SHARE_MAX:
        raise Refused(_("This recording is overdriven and would rattle; turn the microphone down"))
    return Sound(_written(voice, rate), count * 1000 // rate, level_db)


def keep(folder: Path, sound: Sound) -> Path:
    """On disk before any row names it; the same sound twice is one file."""
    path = folder / "clips" / f"{sound.sha256}.wav"
    kept(path, lambda: sound.data)
    return path


def attach(tx: Tx, by: Subject, ident: str, sound: Sound) -> Clip:
    found = _mine(tx, by, ident)
    row = Clip(
        notice=found.id, revision=found.revision, sha256=sound.sha256, ms=sound.ms, level_db=sound.level_db,
        kept_by=by.id, kept_at=tx.now(),
    )  # fmt: skip
    tx.session.merge(row)
    tx.emit(ClipKept, notice=found.id, revision=found.revision, sha256=sound.sha256, ms=sound.ms)
    _tell(tx, found)
    return row


def drop(tx: Tx, by: Subject, ident: str) -> None:
    """The machine says it again; the sound itself stays, since it may have been said already."""
    found = _mine(tx, by, ident)
    row = tx.session.get(Clip, (found.id, found.revision))
    if row is None:
        raise NotFound(_("There is no recording"))
    tx.emit(ClipDropped, notice=found.id, revision=found.revision, sha256=row.sha256)
    tx.session.execute(delete(Clip).where(col(Clip.notice) == found.id, col(Clip.revision) == found.revision))
    _tell(tx, found)


def may_be_heard(read: Read, who: Subject, sha256: str) -> bool:
    """By everybody once its notice is out; before that by the staff who may read drafts."""
    rows = read.session.execute(
        select(Notice).join(Clip, col(Clip.notice) == col(Notice.id)).where(col(Clip.sha256) == sha256)
    ).scalars()
    found = list(rows)
    return any(each.state == "released" and each.everybody for each in found) or (
        bool(found) and who.may("notices.read")
    )


def takes(notice: Notice) -> bool:
    return len(rules.NEEDED[notice.priority]) == 1 and not notice.warning


def _mine(tx: Tx, by: Subject, ident: str) -> Notice:
    found = active.visible_to(tx, by, ident, "notices.release")
    if not takes(found):
        raise Conflict(_("Two people sign this notice; it is read out word for word, not from a recording"))
    if found.state not in ("draft", *rules.LIVE):
        raise Conflict(_("This notice has ended"))
    return found


def _tell(tx: Tx, notice: Notice) -> None:
    tx.session.flush()
    asked = select(col(Speech.area)).where(col(Speech.notice) == notice.id, col(Speech.revision) == notice.revision)
    places = list(tx.session.execute(asked).scalars())
    board.mark(tx, [each.code for each in directory.below(tx, places)])
    tx.touch("notices.speech", notice.id)


def _level(samples: array[int]) -> tuple[int, float]:
    step = max(1, len(samples) // _LOOKED_AT)
    some = samples[::step]
    power = sum(value * value for value in some) / len(some)
    clipped = sum(abs(value) >= _FULL - 2 for value in some) / len(some)
    return round(10 * math.log10(max(power, 1e-9) / _FULL**2)), clipped


def _written(samples: array[int], rate: int) -> bytes:
    """Our own header and the sound: no title, no name, no place that a recorder wrote beside it."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()
