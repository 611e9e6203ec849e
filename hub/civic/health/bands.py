"""What was judged of each reading: made once when a reading gets its owner, kept with the rule set and its version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from sqlalchemy import select
from sqlmodel import col

from hub import directory, readings
from hub.civic.health import alerts, kiosk
from hub.civic.health.models import ReadingBand
from hub.civic.health.rules import ADVICE, MEASURES, WORDS, Band, Level, judge, rulesets
from hub.db import Read, Tx
from hub.events import ReadingBound, ReadValue
from hub.readings import Reading

HOME_TOPIC, LIST_TOPIC = "health.home", "health.readings"


def judge_bound(tx: Tx, event: ReadingBound) -> None:
    """Listener: a reading has its owner (a person, or for ever a guest), so their age is known and it can be judged."""
    row = tx.session.get(Reading, event.reading, populate_existing=True)
    if row is None:
        return
    if row.person is not None:
        tx.touch(HOME_TOPIC, row.person)
        tx.touch(LIST_TOPIC, row.person)
    if (
        tx.session.execute(select(col(ReadingBand.reading)).where(col(ReadingBand.reading) == row.id)).first()
        is not None
    ):
        return
    for band in _judge(tx, row):
        tx.session.add(
            ReadingBand(
                reading=row.id,
                measure=band.measure,
                verdict=f"{band.level}/{band.name or band.why_none}",
                ruleset=band.ruleset,
                version=band.version,
                at=tx.now(),
            )
        )
        if band.level == "urgent" and row.session is not None:  # history and imports call nobody
            alerts.raise_urgent(
                tx, band, reading=row.id, session=row.session, hut=row.hut, area=row.area, person=row.person
            )
    if row.hut is not None:
        tx.touch(kiosk.TOPIC, row.hut)


def judge_values(kind: str, values: Sequence[ReadValue], quality: str, reading: str) -> tuple[Band, ...]:
    """Bands of a reading nobody has claimed: by the adult tables, to decide only whether someone should look."""
    return judge(kind, values, quality=quality, readings=(reading,))


def of(read: Read, row: Reading) -> tuple[Band, ...]:
    """The bands as they were judged then; of a reading that came in another way (an import), as judged now."""
    kept = list(read.session.execute(select(ReadingBand).where(col(ReadingBand.reading) == row.id)).scalars())
    order = {measure: place for place, measure in enumerate(MEASURES.get(row.kind, ()))}
    kept.sort(key=lambda each: order.get(each.measure, len(order)))  # the chief measure first
    return tuple(_opened(each) for each in kept) or _judge(read, row)


def _judge(read: Read, row: Reading) -> tuple[Band, ...]:
    age = None
    if row.person is not None:
        owner = read.session.get(directory.Resident, row.person)
        age = directory.age(owner.born, readings.from_ms(row.t_effective_ms).date()) if owner else None
    context = json.loads(row.context)
    site = context.get("site") if isinstance(context, dict) else None
    return judge(
        row.kind,
        readings.values(read, row),
        quality=row.quality,
        age=age,
        site=str(site) if site is not None else None,
        readings=(row.id,),
    )


def _opened(kept: ReadingBand) -> Band:
    level, _slash, name = kept.verdict.partition("/")
    ruleset = rulesets().get(kept.ruleset)
    grade = next((each for each in ruleset.grades if each.name == name), None) if ruleset else None
    if grade is None:
        return Band(
            kept.measure,
            cast("Level", level),
            ruleset=kept.ruleset,
            version=kept.version,
            readings=(kept.reading,),
            why_none=name,
        )
    word, arrow = WORDS[grade.word]
    return Band(
        kept.measure,
        cast("Level", level),
        word,
        arrow,
        ADVICE[grade.advice],
        name,
        kept.ruleset,
        kept.version,
        (kept.reading,),
    )
