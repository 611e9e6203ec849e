"""The guides of the demo, from `demo.toml`: details invented, the shape that of a real office."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hub import directory
from hub.access import Grant, Permissions, Subject
from hub.civic.guides import book, contacts
from hub.civic.guides.book import Draft
from hub.db import Tx

DEMO = Path(__file__).parent / "demo.toml"


def drafts() -> list[Draft]:
    """What a guide does not say of the office's hours and place is the common one."""
    told = tomllib.loads(DEMO.read_text(encoding="utf-8"))
    return [Draft(**{**told["office"], **each}) for each in told["guide"]]


def numbers() -> list[dict[str, str]]:
    return list(tomllib.loads(DEMO.read_text(encoding="utf-8"))["contact"])


def seed(tx: Tx, world: Any) -> None:
    held = Permissions([{"guides.write": ("director",)}])
    for community in world.plan.communities:
        writer = next((each for each in community.staff if each.role == "director"), None)
        if writer is None:
            continue
        path = directory.area(tx, community.code).path
        by = Subject(writer.id, "staff", grants=(Grant("director", path),), person=writer.person, permissions=held)
        for draft in drafts():
            book.publish(tx, by, community.code, draft)
        for each in numbers():
            contacts.keep(tx, by, community.code, **each)
