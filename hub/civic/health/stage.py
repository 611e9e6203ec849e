"""What the kiosk shows now: one fragment that draws the whole page from the state of its open visit.

Without a visit there is nothing to draw but the two buttons, so a cleared kiosk cannot hold anything of the last
neighbour: it is not that the page forgets, there is nothing left to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import derived, directory, presence, readings, registry
from hub.access import Subject
from hub.civic.health import alerts, bands, figures, idle, kiosk, meals, slip, trend
from hub.civic.health.models import HealthAlert, KioskSession
from hub.civic.health.pending import PENDING
from hub.civic.health.rules import in_force, wants_another
from hub.db import Read
from hub.i18n import N_, _, pick

HISTORY_ROWS = 4  # what a standing reader takes in at a glance
STEPS = (N_("Card"), N_("Choose"), N_("Measure"), N_("Result"))
_STEP_OF = {
    "card": 1,
    "consent": 1,
    "ready": 2,
    "meal": 3,
    "measuring": 3,
    "rest": 3,
    "confirm": 4,
    "result": 4,
    "history": 4,
    "slip": 4,
}
POSTURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "bp": (
        (N_("Sit upright"), N_("back against the chair")),
        (N_("Arm on the table"), N_("level with the heart")),
        (N_("Feet on the floor"), N_("legs not crossed")),
    ),
    "spo2": (
        (N_("Warm hand"), N_("rub it if it is cold")),
        (N_("Finger in to the end"), N_("no nail polish")),
        (N_("Hold still"), N_("for fifteen seconds")),
    ),
    "temp": (
        (N_("Dry armpit"), N_("wipe off sweat first")),
        (N_("Tip in the middle"), N_("arm pressed down")),
        (N_("Wait for the tone"), N_("do not talk")),
    ),
    "weight": (
        (N_("Shoes and coat off"), N_("pockets empty")),
        (N_("Stand in the middle"), N_("look straight ahead")),
        (N_("Hold still"), N_("until the number stands")),
    ),
    "glucose": (
        (N_("Ask the attendant"), N_("each strip is used once")),
        (N_("Clean and dry hand"), N_("warm fingers bleed better")),
        (N_("Say when you last ate"), N_("the word depends on it")),
    ),
}
# Height, weight and composition are one step onto one machine.
CHOICE_OF: Mapping[str, str] = {"height": "weight", "body": "weight", "height_weight": "weight"}
CHOICE_NAMES: Mapping[str, str] = {
    "weight": N_("Height and weight"),
    "glucose": N_("Blood glucose (ask the attendant)"),
}
_PLAIN = ("bp", "spo2", "temp")
LEADS: Mapping[str, str] = {
    "bp": N_("Measuring, please do not talk"),
    "spo2": N_("Measuring, please hold still"),
    "temp": N_("Measuring, please hold still"),
    "weight": N_("Measuring, please hold still"),
    "glucose": N_("Measuring, the attendant helps you"),
}
AGAIN: Mapping[str, str] = {
    "once": N_("Rest a minute and measure once more: the mean of two says more than one"),
    "differ": N_("The two are far apart. Rest a minute and measure a third time"),
}
NOTES: Mapping[str, str] = {
    "unknown_card": N_("This card is not known here. Try again, or measure without signing in"),
    "minor": N_("Children under 14 come with a guardian; measuring without signing in is open to everyone"),
    "not_mine": N_("Thank you. The result was kept without a name; please measure again"),
    "mistimed": N_(
        "The time of the last result does not fit this visit, so it was not kept for you. Please measure again"
    ),
}


TODAY = N_("Please see a doctor today")
_CHEST = N_("If you have chest pain, a severe headache, slurred speech or weak arms or legs, call 120 at once")
_BREATH = N_("If you are short of breath, have chest pain or blue lips, call 120 at once")
_THIRST = N_("If you are very thirsty, sick or drowsy, call 120 at once")
_FAINT = N_("If you feel faint, shake or cannot swallow, call 120 at once")
# The sentences of S-2 and their like, by what is urgent and which way.
URGENT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("bp", "up"): (
        N_("The value is clearly high. Please sit down and rest for 5 minutes, then we measure again."),
        _CHEST,
    ),
    ("spo2", "down"): (
        N_("The value is clearly low. Please sit down, warm your hand, then we measure again."),
        _BREATH,
    ),
    ("temp", "up"): (N_("The temperature is clearly high. See a doctor soon."), _BREATH),
    ("glucose", "up"): (N_("The value is clearly high. See a doctor soon."), _THIRST),
    ("glucose", "down"): (N_("The value is clearly low. Take something sweet now and call the attendant."), _FAINT),
    ("pulse", "up"): (N_("The pulse is clearly fast. See a doctor soon."), _CHEST),
    ("pulse", "down"): (N_("The pulse is clearly slow. See a doctor soon."), _CHEST),
}


@dataclass(frozen=True, slots=True)
class Urgent:
    lead: str
    symptoms: str
    confirmed: bool
    ask_doctor: bool
    told_doctor: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A card of the choose page: what can be measured, and whether its device is fit."""

    kind: str
    name: str
    usable: bool
    state: str


def may_watch(subject: Subject, key: str) -> bool:
    return subject.kind == "kiosk" and subject.hut == key


def view(read: Read, hut_id: str) -> Mapping[str, Any]:
    """The context of `stage.html`, from the store alone."""
    hut = registry.hut(read, hut_id)
    session = kiosk.open_at(read, hut_id)
    area = read.session.get(directory.Area, hut.area)
    context: dict[str, Any] = {
        "hut": hut_id,
        "hut_name": pick(hut.zh, hut.en),
        "place": pick(area.zh, area.en) if area else "",
        "tz": area.tz if area else "Asia/Shanghai",
        "stage": session.stage if session else "idle",
        "step": _STEP_OF.get(session.stage, 0) if session else 0,
        "steps": [_(step) for step in STEPS],
        "note": _(NOTES[session.note]) if session and session.note in NOTES else "",
        "warned": session is not None and session.warned is not None,
        "hold_until": _hold_until(session),
        "named": session is not None and session.person is not None,
        "guest": session is not None and session.guest,
        "title": _greeting(read, session),
        "choices": (),
        "focus": "",
        "postures": (),
        "lead": "",
        "kind": "",
        "called": False,
        "pending": "",
        "result": None,
        "urgent": None,
        "again": "",
        "coming": False,
        "trend": None,
        "rows": (),
        "printer": False,
        "meals": (),
        "meal": "",
    }
    if session is not None and session.began is not None:
        context |= _of_visit(read, session)
    return context


def _of_visit(read: Read, session: KioskSession) -> dict[str, Any]:
    awaited = PENDING.at(read, session)
    found: dict[str, Any] = {
        "focus": _(figures.KIND_NAMES.get(session.focus, "")) if session.focus else "",
        "kind": session.focus,
        "postures": [(_(head), _(line)) for head, line in POSTURES.get(session.focus, ())],
        "lead": _(LEADS[session.focus]) if session.focus in LEADS else "",
        "pending": _(figures.KIND_NAMES.get(awaited.kind, "Result")) if awaited else "",
    }
    found["called"] = alerts.called(read, session.id)
    found["coming"] = any(each.taken_by and each.state == "open" for each in alerts.of_session(read, session.id))
    if session.stage == "ready":
        found["choices"] = choices(read, session.hut)
    if session.stage == "meal":
        asked = ((value, words) for value, words in meals.MEALS.items() if value != meals.CASUAL)
        found["meals"] = [(value, _(name), _(line)) for value, (name, line) in asked]
    if session.stage == "confirm" and session.reading is not None:
        found["result"] = figures.shown(read, readings.get(read, session.reading))
    if session.stage in ("result", "slip") and session.reading is not None:
        shown = figures.shown(read, readings.get(read, session.reading))
        raised = alerts.of_session(read, session.id)
        found["printer"] = session.stage == "slip" and slip.printer(read, session.hut) is not None
        found["result"], found["urgent"] = shown, _urgent(raised, shown.chief)
        found["again"] = _again(read, session.reading)
        eaten = meals.MEALS.get(bands.meal_of(read, readings.get(read, session.reading)) or "")
        found["meal"] = _(eaten[0]) if eaten else ""
    if session.stage == "history" and session.person is not None:
        found["rows"] = [
            figures.shown(read, row) for row in readings.of_person(read, session.person, limit=HISTORY_ROWS)
        ]
        found["trend"] = trend.of_kind(read, session.person, "bp")
    return found


def _urgent(raised: list[HealthAlert], chief: figures.Judged | None) -> Urgent | None:
    """What to say beside an urgent value: once more after a rest, or today to a doctor when that has been done."""
    if chief is None or chief.level != "urgent":
        return None
    mine = [alert for alert in raised if alert.rule == chief.measure]
    confirmed = any(alert.level == "confirmed" for alert in mine)
    ask = any(alert.level == "confirmed" and alert.told_doctor is None for alert in mine)
    told = any(alert.told_doctor for alert in mine)
    lead, symptoms = URGENT[chief.measure, chief.arrow]
    return Urgent(
        _(TODAY) if confirmed else _(lead),
        _(symptoms),
        confirmed=confirmed,
        ask_doctor=ask,
        told_doctor=told,
    )


def _again(read: Read, reading: str) -> str:
    """Whether the visit's pressures ask for another one."""
    row = readings.get(read, reading)
    tops = [numbers["sys"] for _row, numbers in derived.pressures(read, row)] if row.quality == "ok" else []
    why = wants_another(in_force("bp").repeat, tops)
    return _(AGAIN[why]) if why else ""


def choices(read: Read, hut: str) -> tuple[Choice, ...]:
    """The kinds this hut can measure, in the order of the menu; a device in trouble says so."""
    lines = presence.gateways(read)
    found: dict[str, Choice] = {}
    for device in registry.devices_of_hut(read, hut):
        kind = CHOICE_OF.get(device.kind, device.kind)
        if kind not in kiosk.KINDS or (device.profile is None and device.kind not in _PLAIN):
            continue
        line = lines.get(device.gateway)
        state = ""
        if device.state != "active" or device.upkeep == "maintenance":
            state = _("Under maintenance, please use another device")
        elif line is not None and line.state == "offline":
            state = _("No connection, please use another device")
        choice = Choice(kind, _(CHOICE_NAMES.get(kind, figures.KIND_NAMES[kind])), not state, state)
        if kind not in found or choice.usable:
            found[kind] = choice
    return tuple(found[kind] for kind in kiosk.KINDS if kind in found)


def _greeting(read: Read, session: KioskSession | None) -> str:
    """王奶奶: surname and title, also while they read what they agree to; never the name."""
    ident = session and (session.person or session.candidate)
    person = read.session.get(directory.Resident, ident) if ident else None
    if person is None:
        return ""
    return directory.greeting(person.name, person.sex, directory.age(person.born, read.now().date()))


def _hold_until(session: KioskSession | None) -> int:
    """Milliseconds since 1970, for the page's clock; 0 without a visit."""
    return readings.to_ms(idle.quiet_since(session)) if session is not None else 0
