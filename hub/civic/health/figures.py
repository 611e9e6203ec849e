"""A reading as people read it: numbers with plain names and units, its words, or one sentence why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub import derived, readings
from hub.civic.health import bands
from hub.civic.health.rules import MEAN, Band, gravest
from hub.db import Read
from hub.derived import Derived
from hub.events import ReadValue
from hub.i18n import N_, _
from hub.readings import Reading

KIND_NAMES: Mapping[str, str] = {
    "bp": N_("Blood pressure"),
    "spo2": N_("Blood oxygen"),
    "temp": N_("Temperature"),
    "glucose": N_("Blood glucose"),
    "weight": N_("Weight"),
    "height": N_("Height"),
    "body": N_("Body composition"),
    "hr": N_("Heart rate"),
    "ecg": N_("Heart trace"),
}
MEASURE_NAMES: Mapping[str, str] = {
    **KIND_NAMES,
    "pulse": N_("Pulse"),
    "bmi": N_("Body mass index"),
    MEAN: N_("Mean of the visit"),
}
CODE_NAMES: Mapping[str, str] = {
    "sys": N_("Upper pressure"),
    "dia": N_("Lower pressure"),
    "pulse": N_("Pulse"),
    "spo2": N_("Blood oxygen"),
    "temp": N_("Temperature"),
    "glucose": N_("Blood glucose"),
    "weight": N_("Weight"),
    "height": N_("Height"),
    "fat": N_("Body fat"),
    "hr": N_("Heart rate"),
    "bmi": N_("Body mass index"),
}
UNIT_NAMES: Mapping[str, str] = {
    "mm[Hg]": N_("mmHg"),
    "/min": N_("per minute"),
    "%": "%",
    "Cel": "℃",
    "kg": N_("kg"),
    "cm": N_("cm"),
    "kg/m2": "kg/m²",
}
# What a kind shows large; others stand small beside it. What is not named (mean pressure, perfusion) is not shown.
LARGE: Mapping[str, tuple[str, ...]] = {
    "bp": ("sys", "dia"),
    "spo2": ("spo2",),
    "temp": ("temp",),
    "glucose": ("glucose",),
    "weight": ("weight",),
    "height": ("height",),
    "body": ("fat",),
    "hr": ("hr",),
    "ecg": ("hr",),
}
SMALL: Mapping[str, tuple[str, ...]] = {"body": ("weight",), "weight": ("height",)}
_SMALL = ("pulse",)
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
# Why a number stands there without a word.
UNJUDGED: Mapping[str, str] = {
    "age": N_("Under 18 the adult table does not apply. Consider asking a doctor"),
    "site": N_("Not compared: there is no table for where it was measured"),
    "meal": N_("Not compared: that needs to know when the last meal was"),
    "uncalibrated": N_("Not compared: the certificate of the device has run out"),
    "recalled": N_("Not compared: the device was recalled"),
    "lot_bad": N_("Not compared: the test strips were recalled"),
}
# What a meter shows instead of a number, by the way it is out.
BEYOND: Mapping[str, tuple[str, str]] = {
    "up": ("Hi", N_("above what the device can measure")),
    "down": ("Lo", N_("below what the device can measure")),
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
    unjudged: str  # why there is no word
    mass_index: Figure | None  # worked out by the hub
    mismatch: str  # what the device says of it, when that does not fit
    mean: tuple[Figure, ...]  # of the visit's pressures
    mean_of: int
    mean_word: Judged | None


def shown(read: Read, row: Reading) -> Shown:
    values = readings.values(read, row)
    judged = [band for band in bands.of(read, row) if row.quality == "ok" or band.name.startswith("beyond-")]
    found = [band for band in judged if band.measure != MEAN]
    beyond = next((band for band in found if band.name.startswith("beyond-")), None)
    failed = beyond is None and (row.quality == "bad" or not _complete(row.kind, values))
    chief = gravest(found)
    mass_index = None if failed else derived.bmi(read, row, values)
    mean = _mean(read, row, judged)
    return Shown(
        id=row.id,
        kind=row.kind,
        name=_(KIND_NAMES.get(row.kind, row.kind)),
        device=row.device,
        at=readings.from_ms(row.t_effective_ms),
        basis=_(BASIS_NAMES.get(row.t_basis, row.t_basis)),
        backfilled=readings.sent_later(row.t_received_ms, row.t_effective_ms),
        large=() if failed else _large(row.kind, values, beyond),
        small=() if failed else _figures(values, (*_SMALL, *SMALL.get(row.kind, ()))),
        failure=_failure(row) if failed else "",
        # To measure again on a device whose certificate is over would help nobody: then only the reason is said.
        suspect=row.quality == "suspect" and not failed and not _ruled_out(row),
        judged=tuple(as_judged(band) for band in found if band.level != "none"),
        chief=as_judged(chief) if chief is not None and chief.level != "none" else None,
        unjudged="" if failed else _ruled_out(row) or _no_word(found),
        mass_index=_figures([mass_index.value], ["bmi"])[0] if mass_index is not None else None,
        mismatch=_mismatch(mass_index),
        mean=_figures([each.value for each in mean], ["sys", "dia"]),
        mean_of=len(mean[0].readings) if mean else 0,
        mean_word=next((as_judged(band) for band in judged if band.measure == MEAN and band.level != "none"), None),
    )


def _mean(read: Read, row: Reading, judged: Sequence[Band]) -> tuple[Derived, ...]:
    """The visit's mean, beside the reading that completed it and no other."""
    if not any(band.measure == MEAN for band in judged):
        return ()
    return derived.mean_pressure(derived.pressures(read, row))


def _mismatch(mass_index: Derived | None) -> str:
    if mass_index is None or not mass_index.mismatch or mass_index.said is None:
        return ""
    said = format(mass_index.said, "f")
    return _("The device says {said}; that does not fit this weight and height").format(said=said)


def _large(kind: str, values: Sequence[ReadValue], beyond: Band | None) -> tuple[Figure, ...]:
    if beyond is None:
        return _figures(values, LARGE.get(kind, ()))
    text, words = BEYOND[beyond.arrow]
    return (Figure(kind, _(CODE_NAMES.get(kind, kind)), text, _(words)),)


def _ruled_out(row: Reading) -> str:
    """What the reading itself carries that rules a word out, whatever its number."""
    return next((_(UNJUDGED[reason]) for reason in row.reasons.split() if reason in UNJUDGED), "")


def _no_word(found: Sequence[Band]) -> str:
    return _(UNJUDGED[found[0].why_none]) if found and found[0].why_none in UNJUDGED else ""


def _complete(kind: str, values: Sequence[ReadValue]) -> bool:
    present = {value.code for value in values if value.value is not None}
    return kind == "ecg" or (bool(LARGE.get(kind)) and set(LARGE[kind]) <= present)  # a trace may come without a rate


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


def as_judged(band: Band) -> Judged:
    return Judged(
        band.measure,
        _(MEASURE_NAMES.get(band.measure, band.measure)),
        band.level,
        _(band.word),
        band.arrow,
        _(band.advice) if band.advice else "",
    )
