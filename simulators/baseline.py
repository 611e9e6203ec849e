"""What a person's body would show: health values as pure functions of seed, person and time.

A person has latent baselines (domain.md 7, rule 5; devices.md 7.8); a visit, a reading and the hour move around them.
Any value can be recomputed alone, so a test can ask what the cuff must have said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from devices.base import Strip
from simulators.chance import normal, unit
from simulators.ecg import strip
from simulators.people import age
from simulators.plan import PersonPlan

LOCAL = timezone(timedelta(hours=8), "Asia/Shanghai")  # China has kept one zone without summer time since 1991
CRITICAL_VISITS = 0.005
DIABETIC = 0.11
FIBRILLATION = 0.05
MEALS = (7, 12, 18)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A resting adult's or child's usual values."""

    sys: float
    dia: float
    pulse: float
    spo2: float
    temp: float


@dataclass(frozen=True, slots=True)
class Pressure:
    """One reading of a cuff, in mmHg and beats a minute."""

    sys: int
    dia: int
    mean: int
    pulse: int


@dataclass(frozen=True, slots=True)
class Oximetry:
    spo2: int
    pulse: int
    pi: Decimal


@dataclass(frozen=True, slots=True)
class Temperature:
    cel: Decimal


@dataclass(frozen=True, slots=True)
class Glucose:
    """From a drop of the fingertip; `beyond` is what a meter shows instead of a number: Hi or Lo."""

    mmol_l: Decimal
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """What a platform tells: height where it has a rod, fat, water and impedance where it has electrodes."""

    kg: Decimal
    cm: Decimal
    fat: Decimal
    water: Decimal
    ohm: Decimal


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What an ECG recorder sees: a strip of one lead, and the rate it counted."""

    hr: int
    strip: Strip


@dataclass(frozen=True, slots=True)
class Air:
    """The room of the hut."""

    cel: Decimal
    humidity: int
    co2_ppm: int


URGENT = Pressure(sys=186, dia=112, mean=138, pulse=92)  # S-2: what the stage's urgent button measures


def baseline(seed: str, person: PersonPlan, on: date) -> Baseline:
    years = age(person.born, on)
    sys = max(82.0, normal(118 + 0.5 * (years - 40), 12 if years >= 18 else 7, _u(seed, person, "sys")))
    # Diastolic follows systolic with 0.6 and falls again in old age, when arteries stiffen.
    dia_mean = 76 + 0.15 * (min(years, 55) - 40) - 0.25 * max(0, years - 55)
    dia = dia_mean + 0.35 * (sys - (118 + 0.5 * (years - 40))) + normal(0, 5, _u(seed, person, "dia"))
    return Baseline(
        sys=sys,
        dia=min(max(dia, 48.0), sys - 25),
        pulse=min(max(normal(72 + max(0, 14 - years) * 1.6, 7, _u(seed, person, "pulse")), 52), 112),
        spo2=normal(97.6, 0.6, _u(seed, person, "spo2")),
        temp=36.45 - 0.1 * max(0, years - 60) / 10 + normal(0, 0.08, _u(seed, person, "temp")),
    )


def bp(seed: str, person: PersonPlan, at: datetime, attempt: int = 1) -> Pressure:
    """What a cuff would say at `at`; the second and third attempt of a visit are calmer."""
    local = at.astimezone(LOCAL)
    usual = baseline(seed, person, local.date())
    visit, moment = f"visit-{local:%Y%m%d}", f"{int(at.timestamp())}.{attempt}"
    if critical(seed, person, at):
        sys = 182 + 12 * _u(seed, person, f"{visit}.sys") + 2 * _u(seed, person, f"{moment}.sys")
        dia = 104 + 10 * _u(seed, person, f"{visit}.dia")
    else:
        swing = 4 * math.cos(2 * math.pi * (local.hour + local.minute / 60 - 8) / 24)
        shared = normal(0, 5, _u(seed, person, visit)) + swing - 3 * min(attempt - 1, 2)
        shared = min(max(shared, -16.0), 16.0)
        sys = usual.sys + shared + normal(0, 3, _u(seed, person, f"{moment}.sys"))
        dia = usual.dia + 0.6 * shared + normal(0, 2, _u(seed, person, f"{moment}.dia"))
    top = round(min(max(sys, 78), 210))
    low = round(min(max(dia, 42), top - 20))
    beat = round(min(max(usual.pulse + normal(0, 4, _u(seed, person, f"{moment}.pulse")), 46), 125))
    return Pressure(sys=top, dia=low, mean=round(low + 0.35 * (top - low)), pulse=beat)


def critical(seed: str, person: PersonPlan, at: datetime) -> bool:
    """Whether this adult's visit of that day is one of the 0.5 % with a value that needs a human at once."""
    local = at.astimezone(LOCAL)
    return age(person.born, local.date()) >= 18 and _u(seed, person, f"critical-{local:%Y%m%d}") < CRITICAL_VISITS


def spo2(seed: str, person: PersonPlan, at: datetime) -> Oximetry:
    usual = baseline(seed, person, at.astimezone(LOCAL).date())
    moment = f"{int(at.timestamp())}.ox"
    saturation = round(min(max(usual.spo2 + normal(0, 0.5, _u(seed, person, f"{moment}.spo2")), 95), 99))
    pulse = round(min(max(usual.pulse + normal(0, 4, _u(seed, person, f"{moment}.pulse")), 46), 125))
    index = Decimal(round(10 * (1.5 + 6 * _u(seed, person, f"{moment}.pi")))) / 10
    return Oximetry(spo2=saturation, pulse=pulse, pi=index)


def temp(seed: str, person: PersonPlan, at: datetime) -> Temperature:
    """Axillary, in degrees Celsius to one place."""
    local = at.astimezone(LOCAL)
    usual = baseline(seed, person, local.date())
    daily = 0.2 * math.cos(2 * math.pi * (local.hour + local.minute / 60 - 17) / 24)
    value = usual.temp + daily + normal(0, 0.05, _u(seed, person, f"{int(at.timestamp())}.temp"))
    return Temperature(Decimal(round(10 * min(max(value, 36.0), 37.0))) / 10)


def glucose(seed: str, person: PersonPlan, at: datetime) -> Glucose:
    """Higher after the meals of seven, twelve and eighteen o'clock; one grown-up of nine is diabetic."""
    local = at.astimezone(LOCAL)
    diabetic = age(person.born, local.date()) >= 18 and _u(seed, person, "diabetic") < DIABETIC
    since = min((local.hour + local.minute / 60 - meal) % 24 for meal in MEALS)
    rise = (5.0 if diabetic else 2.0) * since * math.exp(1 - since)  # its peak an hour after the meal
    dawn = 0.4 if 5 <= local.hour < 9 else 0.0
    error = normal(0, 0.3, _u(seed, person, f"{int(at.timestamp())}.glucose"))
    value = (7.8 if diabetic else 5.2) + dawn + rise + error
    return Glucose(Decimal(round(10 * min(max(value, 4.1), 16.0))) / 10)


def body(seed: str, person: PersonPlan, at: datetime) -> Body:
    local = at.astimezone(LOCAL)
    years = age(person.born, local.date())
    grown = normal(169 if person.sex == "m" else 157.5, 6, _u(seed, person, "height"))
    cm = grown if years >= 18 else min(grown, 76 + 5.6 * max(1, years) + 2 * _u(seed, person, "growth"))
    bmi = min(max(normal(24, 3.2, _u(seed, person, "bmi")), 17.5), 34) if years >= 18 else 14.5 + 0.35 * years
    kg = bmi * (cm / 100) ** 2 + 0.3 + 1.2 * _u(seed, person, f"clothes-{local:%Y%m%d}")
    # Deurenberg: from body mass index, age and sex.
    fat = 1.2 * bmi + 0.23 * max(years, 7) - 10.8 * (person.sex == "m") - 5.4
    fat = min(max(fat, 5.0), 55.0)
    ohm = 380 + 270 * _u(seed, person, "impedance")
    return Body(
        kg=Decimal(round(20 * kg)) / 20,
        cm=Decimal(round(10 * cm)) / 10,
        fat=Decimal(round(10 * fat)) / 10,
        water=Decimal(round(20 * kg * (1 - fat / 100) * 0.73)) / 20,
        ohm=Decimal(round(ohm)),
    )


def rhythm(seed: str, person: PersonPlan, at: datetime) -> Rhythm:
    """One of twenty over 65 has atrial fibrillation."""
    local = at.astimezone(LOCAL)
    usual = baseline(seed, person, local.date())
    rate = round(min(max(usual.pulse + normal(0, 4, _u(seed, person, f"{int(at.timestamp())}.ecg")), 46), 125))
    fibrillating = age(person.born, local.date()) >= 65 and _u(seed, person, "fibrillation") < FIBRILLATION
    return Rhythm(rate, strip(f"{seed}.{person.id}.{int(at.timestamp())}", rate, fibrillating=fibrillating))


def air(seed: str, hut: str, at: datetime) -> Air:
    """Warmest in the afternoon; the carbon dioxide follows who is there, mornings most of all."""
    local = at.astimezone(LOCAL)
    hour = local.hour + local.minute / 60
    chance = unit(seed, hut, "air", int(at.timestamp()) // 300, "chance")
    warm = 22.5 + 2.5 * math.cos(2 * math.pi * (hour - 15) / 24) + 0.4 * (chance - 0.5)
    people = 6 * math.exp(-(((hour - 8.5) / 1.5) ** 2)) + 3 * math.exp(-(((hour - 15.5) / 1.2) ** 2))
    return Air(
        cel=Decimal(round(10 * warm)) / 10,
        humidity=round(52 - 8 * math.cos(2 * math.pi * (hour - 15) / 24)),
        co2_ppm=round(430 + 110 * people + 20 * chance),
    )


def _u(seed: str, person: PersonPlan, field: str) -> float:
    return unit(seed, person.area, "body", person.id, field)
