"""How much is new for a home whose television is bound: a number, never what."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class News(SQLModel, table=True):
    __tablename__ = "boxes_news"
    household: str = Field(primary_key=True, max_length=64)
    count: int = Field(default=0)
