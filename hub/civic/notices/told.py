"""What a notice says, word for word, for whoever reads it out at a door: a fragment that other slices embed by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.access import Subject
from hub.civic.notices import cards
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.module import Topic


def words(read: Read, key: str) -> Mapping[str, Any]:
    """Of one revision, `<notice>.<revision>`: the next one's words have a key of their own."""
    ident, _dot, revision = key.partition(".")
    found = read.session.get(Notice, ident, populate_existing=True)
    said = found is not None and found.released_at is not None and str(found.revision) == revision
    return {"notice": cards.shown(read, found) if found is not None and said else None}


def _staff(subject: Subject, key: str) -> bool:
    return len(key) <= 44 and subject.may("notices.read")


TOPICS = (Topic("notices.told", "notices/told.html", words, _staff),)
