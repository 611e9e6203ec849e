"""A reading as people read it: numbers with plain names and units, its words, or one sentence why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub import readings
from hub.civic.health import bands
from hub.civic.health.rules import Band, gravest
from hub.db import Read
from hub.events import ReadValue
from hub.i18n import N_, _
from hub.readings import Reading

KIND_NAMES: Mapping[str, str] = {
    "bp": N_("Blood pressure"),
    "spo2": N_("Blood oxygen"),
    "temp": N_("Temperature"),
}
MEASURE_NAMES: Mapping[str, str] = {**KIND_NAMES, "pulse": N_("Pulse")}
CODE_NAMES: Mapping[str, str] = {
    "sys": N_("Upper pressure"),
    "dia": N_("Lower pressure"),
    "pulse": N_("Pulse"),
    "spo2": N_("Blood oxygen"),
    "temp": N_("Temperature"),
}
UNIT_NAMES: Mapping[str, str] = {
    "mm[Hg]": N_("mmHg"),
    "/min": N_("per minute"),
    "%": "%",
    "Cel": "℃",
}
# What a kind shows large; a pulse stands small beside it. What is not named (mean pressure, perfusion) is not shown.
LARGE: Mapping[str, tuple[str, ...]] = {"bp": ("sys", "dia"), "spo2": ("spo2",), "temp": ("temp",)}
SMALL = ("pulse",)
BASIS_NAMES: Mapping[str, str] = {
    "device": N_("time of the device"),
    "device_adjusted": N_("time of the device, corrected"),
    "gateway": N_("time of the hut"),
    "received": N_("time of arrival"),
}
AGAIN = N_("The measurement did not work, please measure again")
FAILURES: Mapping[str, str] = {
    "movement": N_("There was movement while measuring. Please keep still and measure again"),
    "cuff_loose": N_("The cuff was too loose. Please tighten it and measure again"),
    "not_on_user": N_("The finger was not in place. Please put it in again and measure once more"),
    "displaced": N_("The finger was not in place. Please put it in again and measure once more"),
    "disconnected": N_("The finger was not in place. Please put it in again and measure once more"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    code: str
    name: str
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One measure's word, as the page shows it: a word, a shape, an advice, and whether it is urgent."""

    measure: str
    name: str
    level: str
    word: str
    arrow: str
    advice: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A reading ready for a page. Either figures or a failure, never both."""

    id: str
    kind: str
    name: str
    device: str
    at: datetime
    basis: str
    backfilled: bool
    large: tuple[Figure, ...]
    small: tuple[Figure, ...]
    failure: str
    suspect: bool
    judged: tuple[Judged, ...]
    chief: Judged | None
    minor: bool
    unjudged_site: bool


def shown(read: Read, row: Reading) -> Shown:
    values = readings.values(read, row)
    found = () if row.quality != "ok" else bands.of(read, row)
    failed = row.quality == "bad" or not _complete(row.kind, values)
    judged = tuple(_judged(band) for band in found if band.level != "none")
    chief = gravest(found)
    return Shown(
        id=row.id,
        kind=row.kind,
        name=_(KIND_NAMES.get(row.kind, row.kind)),
        device=row.device,
        at=readings.from_ms(row.t_effective_ms),
        basis=_(BASIS_NAMES.get(row.t_basis, row.t_basis)),
        backfilled=readings.sent_later(row.t_received_ms, row.t_effective_ms),
        large=() if failed else _figures(values, LARGE.get(row.kind, ())),
        small=() if failed else _figures(values, SMALL),
        failure=_failure(row) if failed else "",
        suspect=row.quality == "suspect" and not failed,
        judged=judged,
        chief=_judged(chief) if chief is not None and chief.level != "none" else None,
        minor=any(band.why_none == "age" for band in found[:1]),
        unjudged_site=any(band.why_none == "site" for band in found[:1]),
    )


def _complete(kind: str, values: Sequence[ReadValue]) -> bool:
    present = {value.code for value in values if value.value is not None}
    return bool(LARGE.get(kind)) and set(LARGE[kind]) <= present


def _figures(values: Sequence[ReadValue], codes: Sequence[str]) -> tuple[Figure, ...]:
    by_code = {value.code: value for value in values if value.value is not None}
    return tuple(
        Figure(
            code,
            _(CODE_NAMES[code]),
            format(by_code[code].value, "f"),
            _(UNIT_NAMES.get(by_code[code].unit, by_code[code].unit)),
        )
        for code in codes
        if code in by_code
    )


def _failure(row: Reading) -> str:
    for reason in row.reasons.split():
        if reason in FAILURES:
            return _(FAILURES[reason])
    return _(AGAIN)


def _judged(band: Band) -> Judged:
    return Judged(
        band.measure,
        _(MEASURE_NAMES.get(band.measure, band.measure)),
        band.level,
        _(band.word),
        band.arrow,
        _(band.advice) if band.advice else "",
    )
