"""Tables of the webhooks slice: who wants to hear what, what happened, and how each telling of it stands."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from hub.seal import SealedText
from hub.types import UtcTime


class Subscription(SQLModel, table=True):
    __tablename__ = "webhooks_subscription"
    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=60)
    url: str = Field(sa_column=Column(SealedText("webhooks_subscription.url"), nullable=False))  # may carry a token
    host: str = Field(max_length=255)  # what the page shows
    secret: str = Field(sa_column=Column(SealedText("webhooks_subscription.secret"), nullable=False))
    kinds: str = Field(sa_column=Column(Text, nullable=False))  # JSON list
    path: str = Field(max_length=128)  # of the area it may hear of
    state: str = Field(max_length=16)  # active | paused | gone
    made_by: str = Field(max_length=128)
    made_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    heard_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # the last time it took something


class Happening(SQLModel, table=True):
    """The body of one event, once for all who want it: the same bytes on every try."""

    __tablename__ = "webhooks_happening"
    id: str = Field(primary_key=True, max_length=36)
    kind: str = Field(max_length=32)
    body: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))


class Telling(SQLModel, table=True):
    """One event on its way to one subscription."""

    __tablename__ = "webhooks_telling"
    happening: str = Field(primary_key=True, foreign_key="webhooks_happening.id", max_length=36)
    subscription: str = Field(primary_key=True, foreign_key="webhooks_subscription.id", max_length=36)
    state: str = Field(max_length=16)  # waiting | told | dead | dropped
    attempts: int = Field(default=0)
    due: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    holder: str = Field(default="", max_length=36)  # the claim that tries it now; an outcome of another is too late
    why: str = Field(default="", max_length=120)
    code: str = Field(default="", max_length=40)
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    __table_args__ = (Index("ix_webhooks_telling_state_due", "state", "due"),)
