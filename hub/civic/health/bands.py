"""What was judged of each reading: made once when a reading gets its owner, kept with the rule set and its version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sqlalchemy import delete, select
from sqlmodel import col

from hub import derived, directory, fhir, readings, recall
from hub.civic.health import alerts, kiosk
from hub.civic.health.models import Meal, PastBand, ReadingBand
from hub.civic.health.rules import ADVICE, MEAN, MEASURES, WORDS, Band, Level, classify, fitting, judge, rulesets
from hub.db import Read, Tx
from hub.erasure import ERASED
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
    for band in (*_judge(tx, row), *_of_mean(tx, row)):
        _keep(tx, row, band)
        # History and imports call nobody, and a mean is no measurement.
        if band.level == "urgent" and band.measure != MEAN and row.session is not None:
            alerts.raise_urgent(
                tx, band, reading=row.id, session=row.session, hut=row.hut, area=row.area, person=row.person
            )
    if row.hut is not None:
        tx.touch(kiosk.TOPIC, row.hut)


def judge_again(tx: Tx, row: Reading, why: str) -> None:
    """New rows, made now. The earlier ones stay beside them, unless what they leaned on was erased: then they go."""
    mine = col(ReadingBand.reading) == row.id
    found = (*_judge(tx, row), *_of_mean(tx, row))
    new = {band.measure: (band.ruleset, band.version, _verdict(band)) for band in found}
    for old in list(tx.session.execute(select(ReadingBand).where(mine)).scalars()):
        if why != ERASED and new.get(old.measure) != (old.ruleset, old.version, old.verdict):
            fields = old.model_dump()
            tx.session.add(PastBand(id=tx.new_id(), until=tx.now(), why=why, **fields))
    tx.change(delete(ReadingBand).where(mine))
    for band in found:
        _keep(tx, row, band)
    if row.person is not None:
        tx.touch(HOME_TOPIC, row.person)
        tx.touch(LIST_TOPIC, row.person)
    if row.hut is not None:
        tx.touch(kiosk.TOPIC, row.hut)


def earlier(read: Read, reading: str) -> list[tuple[PastBand, Band]]:
    """The words that stood before, the latest first."""
    rule = select(PastBand).where(col(PastBand.reading) == reading)
    rows = read.session.execute(rule.order_by(col(PastBand.until).desc(), col(PastBand.id))).scalars()
    return [(row, _opened(row)) for row in rows]


def _keep(tx: Tx, row: Reading, band: Band) -> None:
    tx.session.add(
        ReadingBand(
            reading=row.id,
            measure=band.measure,
            verdict=_verdict(band),
            ruleset=band.ruleset,
            version=band.version,
            used=" ".join(band.readings),
            at=tx.now(),
        )
    )


def _verdict(band: Band) -> str:
    return f"{band.level}/{band.name or band.why_none}"


def judge_values(kind: str, values: Sequence[ReadValue], quality: str, reading: str) -> tuple[Band, ...]:
    """Bands of a reading nobody has claimed: by the adult tables, to decide only whether someone should look."""
    return judge(kind, values, quality=quality, readings=(reading,))


def of(read: Read, row: Reading) -> tuple[Band, ...]:
    """The bands as they were judged then; of one that was imported, or flagged by a recall since, as judged now."""
    kept = list(read.session.execute(select(ReadingBand).where(col(ReadingBand.reading) == row.id)).scalars())
    used = {row.id, *(ident for each in kept for ident in each.used.split())}
    flagged = recall.flags(read, used)
    if row.id in flagged:
        return _judge(read, row, flagged[row.id])
    if flagged:  # an index or a mean that leaned on what was recalled
        return (*_judge(read, row), *_of_mean(read, row))
    order = {measure: place for place, measure in enumerate(MEASURES.get(row.kind, ()))}
    kept.sort(key=lambda each: order.get(each.measure, len(order)))  # the chief measure first
    return tuple(_opened(each) for each in kept) or _judge(read, row)


def _judge(read: Read, row: Reading, flagged: Sequence[str] = ()) -> tuple[Band, ...]:
    values: tuple[ReadValue, ...] = readings.values(read, row)
    used: tuple[str, ...] = (row.id,)
    mass_index = derived.bmi(read, row, values)
    if mass_index is not None:  # ours, not the device's: it may have been told another height
        values = (*(value for value in values if value.code != "bmi"), mass_index.value)
        used = mass_index.readings
    context = json.loads(row.context)
    known = context if isinstance(context, dict) else {}
    return judge(
        row.kind,
        values,
        quality=row.quality,
        age=_age(read, row),
        site=_word(known.get("site")),
        meal=meal_of(read, row),
        reasons=(*row.reasons.split(), *flagged),
        readings=used,
    )


def _of_mean(read: Read, row: Reading) -> tuple[Band, ...]:
    """The word of a visit's mean pressure, once it has two good ones."""
    made = derived.mean_pressure(derived.pressures(read, row))
    if not made or made[0].readings[-1] != row.id:
        return ()
    found = classify(
        "bp",
        [each.value for each in made],
        fitting("bp"),
        age=_age(read, row),
        reasons=row.reasons.split(),
        readings=made[0].readings,
    )
    return (replace(found, measure=MEAN),)


def _age(read: Read, row: Reading) -> int | None:
    owner = read.session.get(directory.Resident, row.person) if row.person is not None else None
    return directory.age(owner.born, readings.from_ms(row.t_effective_ms).date()) if owner else None


def meal_said(read: Read, reading: str) -> Meal | None:
    """What a person said last of the meal before it."""
    rule = select(Meal).where(col(Meal.reading) == reading)
    return read.session.execute(rule.order_by(col(Meal.at).desc(), col(Meal.id).desc()).limit(1)).scalars().first()


def meal_of(read: Read, row: Reading) -> str | None:
    """A person's own word before the meter's: meters keep what they were last set to."""
    if row.kind != "glucose":
        return None
    said = meal_said(read, row.id)
    if said is not None:
        return said.meal
    context = json.loads(row.context)
    return _word(context.get("meal")) if isinstance(context, dict) else None


def meal_told(read: Read, row: Reading) -> fhir.Meal | None:
    """The same for other systems."""
    word, said = meal_of(read, row), meal_said(read, row.id) if row.kind == "glucose" else None
    return fhir.Meal(word, said.at if said is not None else None) if word else None


def _word(said: object) -> str | None:
    return None if said is None else str(said)


def _opened(kept: ReadingBand | PastBand) -> Band:
    level, _slash, name = kept.verdict.partition("/")
    ruleset = rulesets().get(kept.ruleset)
    grade = next((each for each in ruleset.grades if each.name == name), None) if ruleset else None
    if grade is None:
        return Band(
            kept.measure,
            cast("Level", level),
            ruleset=kept.ruleset,
            version=kept.version,
            readings=tuple(kept.used.split()) or (kept.reading,),
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
        tuple(kept.used.split()) or (kept.reading,),
    )
