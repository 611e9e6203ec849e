"""Tables of the notices slice. No row per person: screens show a query, addressed channels have the outbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class Notice(SQLModel, table=True):
    __tablename__ = "notices_notice"
    id: str = Field(primary_key=True, max_length=36)
    revision: int = Field(default=1)
    kind: str = Field(max_length=32)
    priority: str = Field(max_length=16)  # routine | important | urgent | emergency, and drill apart
    title: str = Field(max_length=60)
    text: str = Field(sa_column=Column(Text, nullable=False))
    title_en: str = Field(default="", max_length=120)
    text_en: str = Field(default="", sa_column=Column(Text, nullable=False))
    issuer: str = Field(max_length=60)
    contact: str = Field(default="", max_length=60)
    place: str = Field(max_length=12)  # the first area: whose zone and name it goes out under
    audience: str = Field(sa_column=Column(Text, nullable=False))  # audience.Audience as JSON
    everybody: bool  # not for some tags or roles only: the public screens show it
    rank: int  # rules.order: what stands on top
    state: str = Field(default="draft", max_length=16, index=True)
    not_before: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    drafted_by: str = Field(max_length=128)
    drafted_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    released_by: str = Field(default="", max_length=128)
    released_at: datetime | None = Field(default=None, sa_column=Column(UtcTime, index=True))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    reason: str = Field(default="", max_length=200)
    content_hash: str = Field(default="", max_length=64)
    warning: str = Field(default="", max_length=36)  # the CapMessage it relays, whose words nobody here may change
    cover_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # an all-clear covers screens so long
    clears: str = Field(default="", max_length=36)  # the emergency or drill whose all-clear this is
    corrects: str = Field(default="", max_length=36)  # a draft that will be the next revision of this notice
    ladder: str = Field(default="", max_length=16)  # followed up like this priority; empty: like its own
    template: str = Field(default="", max_length=48)  # kind@edition whose fields made the text; empty: written freely
    fields: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))  # JSON, see fields.py
    attachments: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))  # attachments.py


class NoticeArea(SQLModel, table=True):
    """Where a notice holds: the area itself and all below it."""

    __tablename__ = "notices_area"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36, index=True)
    path: str = Field(max_length=128)


class NoticeRelease(SQLModel, table=True):
    """What was released, word for word, for each revision: the evidence of what the screens showed."""

    __tablename__ = "notices_release"
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36)
    revision: int = Field(primary_key=True)
    content: str = Field(sa_column=Column(Text, nullable=False))  # JSON, what the signatures cover
    content_hash: str = Field(max_length=64)
    signed_by: str = Field(max_length=300)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Board(SQLModel, table=True):
    """The signed MQTT board of one community: `wanted` moves with each change, `published` follows after the broker."""

    __tablename__ = "notices_board"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    seq: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    wanted: int = Field(default=0, index=True)
    published: int = Field(default=0)
    at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class CapMessage(SQLModel, table=True):
    """A warning as its issuer sent it, byte for byte, and what became of it here. Rows are never changed back."""

    __tablename__ = "notices_cap"
    id: str = Field(primary_key=True, max_length=36)
    identity: str = Field(max_length=64, unique=True)  # of sender, identifier and sent
    sender: str = Field(max_length=200, index=True)
    paths: str = Field(sa_column=Column(Text, nullable=False))  # JSON list: the areas here that it is about
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    received_by: str = Field(max_length=128)
    notice: str = Field(default="", max_length=36)  # the notice that relays it
    put_aside_by: str = Field(default="", max_length=128)
    put_aside_why: str = Field(default="", max_length=200)


class CallbackSeen(SQLModel, table=True):
    """Nonces and message ids of WeChat's callbacks, until they are too old to be replayed."""

    __tablename__ = "notices_seen"
    key: str = Field(primary_key=True, max_length=200)
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))


class BindingToken(SQLModel, table=True):
    """A one-time token in a QR code that ties a WeChat follower to a resident. Kept as its hash."""

    __tablename__ = "notices_binding_token"
    token_hash: str = Field(primary_key=True, max_length=64)
    resident: str = Field(foreign_key="resident.id", max_length=64)
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))


class Answer(SQLModel, table=True):
    """A question or a call for help that a resident sent back to a notice: a task at the desk until it is answered."""

    __tablename__ = "notices_answer"
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=160, unique=True)  # notice | resident | kind | how many before: pressed twice is one
    notice: str = Field(foreign_key="notices_notice.id", max_length=36, index=True)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    way: str = Field(max_length=16)  # where it was pressed, and where the answer returns
    kind: str = Field(max_length=16)  # question | help
    text: str = Field(sa_column=Column(SealedText("notices_answer.text"), nullable=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    owner: str = Field(default="", max_length=64)  # who of the staff answers for it
    due: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    overdue: bool = Field(default=False)
    reply: str = Field(default="", sa_column=Column(SealedText("notices_answer.reply"), nullable=False))
    replied_by: str = Field(default="", max_length=64)
    replied_at: datetime | None = Field(default=None, sa_column=Column(UtcTime, index=True))


class Ladder(SQLModel, table=True):
    """How far one revision has been followed up (ladder.py). Its rungs are kept as they stood when it was released."""

    __tablename__ = "notices_ladder"
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36)
    revision: int = Field(primary_key=True)
    edition: str = Field(max_length=16)  # of ladder.toml
    rungs: str = Field(sa_column=Column(Text, nullable=False))  # JSON: a new edition changes no ladder under way
    state: str = Field(max_length=16, index=True)  # climbing | climbed | stopped | ended
    next: int  # the rung that waits for its time
    begun_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    by: str = Field(default="", max_length=128)  # who stopped it
    why: str = Field(default="", max_length=200)
    cause: str = Field(default="", max_length=36)  # the event that began it


class LadderStep(SQLModel, table=True):
    """One way of one rung: that it was taken, once, and how far it has come. Written with what it asks for."""

    __tablename__ = "notices_ladder_step"
    notice: str = Field(primary_key=True, max_length=36)
    revision: int = Field(primary_key=True)
    rung: int = Field(primary_key=True)
    way: str = Field(primary_key=True, max_length=16)  # screens | a channel | loudspeaker | visit
    state: str = Field(max_length=16, index=True)  # going | done | skipped
    why: str = Field(default="", max_length=16)  # why it was skipped
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(default="", max_length=128)  # who did not wait for its time
    cursor: str = Field(default="", max_length=80)  # <community>/<household>: how far the doors have been gone through
    met: int = Field(default=0)  # places or doors it asked for
    passed: int = Field(default=0)  # places or doors that needed nothing
    cause: str = Field(default="", max_length=36)


class Speech(SQLModel, table=True):
    """The loudspeakers of a place are to say a revision (speech.py). `round` rises each time it shall be said again."""

    __tablename__ = "notices_speech"
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36)
    revision: int = Field(primary_key=True)
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12, index=True)
    round: int = Field(default=1)
    why: str = Field(max_length=16)  # emergency | ladder | desk
    wanted_by: str = Field(max_length=128)
    wanted_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Aloud(SQLModel, table=True):
    """How a place's loudspeakers speak: Chinese, and English after it where the place wants that."""

    __tablename__ = "notices_aloud"
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)
    english: bool = Field(default=False)


class Played(SQLModel, table=True):
    """What one loudspeaker reports of one round. The first report stands; a repeat changes nothing."""

    __tablename__ = "notices_played"
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36)
    revision: int = Field(primary_key=True)
    round: int = Field(primary_key=True)
    speaker: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12)
    result: str = Field(max_length=16)  # said | stopped | failed
    voice: str = Field(max_length=8)  # clip | machine | chime: a person's recording, a synthetic voice, none installed
    seconds: int
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


class Clip(SQLModel, table=True):
    """Somebody's own voice for one revision; the sound lies in the data folder under its hash (clips.py)."""

    __tablename__ = "notices_clip"
    notice: str = Field(primary_key=True, foreign_key="notices_notice.id", max_length=36)
    revision: int = Field(primary_key=True)
    sha256: str = Field(max_length=64, index=True)
    ms: int
    level_db: int  # below full scale
    kept_by: str = Field(max_length=128)
    kept_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
