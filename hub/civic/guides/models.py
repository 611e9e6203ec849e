"""The one table of the guides slice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from hub.types import UtcTime


class Guide(SQLModel, table=True):
    """One matter (事项). Lists are lines of text; `area` is whoever offers it, for itself and everything below."""

    __tablename__ = "guides_guide"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12)
    rev: int = Field(default=1)
    state: str = Field(default="published", max_length=16)  # published | withdrawn
    zh: str = Field(max_length=60)
    en: str = Field(default="", max_length=120)
    who_zh: str = Field(default="", max_length=200)
    who_en: str = Field(default="", max_length=400)
    steps_zh: str = Field(sa_column=Column(Text, nullable=False))
    steps_en: str = Field(default="", sa_column=Column(Text, nullable=False))
    papers_zh: str = Field(default="", sa_column=Column(Text, nullable=False))
    papers_en: str = Field(default="", sa_column=Column(Text, nullable=False))
    fee_fen: int  # 0 says: it costs nothing
    fee_note_zh: str = Field(default="", max_length=120)
    fee_note_en: str = Field(default="", max_length=240)
    days: int = Field(default=0)  # working days until it is done; 0: while one waits
    hours_zh: str = Field(max_length=120)
    hours_en: str = Field(default="", max_length=240)
    place_zh: str = Field(max_length=120)
    place_en: str = Field(default="", max_length=240)
    phone: str = Field(default="", max_length=40)
    changed_by: str = Field(max_length=64)
    changed_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (Index("ix_guides_guide_area_state", "area", "state"),)


class Contact(SQLModel, table=True):
    """Whom to call (便民电话): an office, a desk, a service; no private numbers."""

    __tablename__ = "guides_contact"
    id: str = Field(primary_key=True, max_length=36)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    zh: str = Field(max_length=60)
    en: str = Field(default="", max_length=120)
    phone: str = Field(max_length=40)
    hours_zh: str = Field(default="", max_length=120)
    hours_en: str = Field(default="", max_length=240)
    place: int = Field(default=50)  # the smaller, the higher up
    changed_by: str = Field(max_length=64)
    changed_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
