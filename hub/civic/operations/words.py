"""The operator's words: one for each state a box or a device can be in, with the colour and shape that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.i18n import N_


@dataclass(frozen=True, slots=True)
class Word:
    text: str  # msgid
    level: str  # ok | info | warn | bad | off: the colour and the shape of tag and cell
    rank: int  # the higher, the sooner somebody must look


DEVICE_WORDS: Mapping[str, Word] = {
    "online": Word(N_("Online"), "ok", 0),
    "never-seen": Word(N_("Not heard yet"), "off", 1),
    "quiet": Word(N_("Long unused"), "info", 2),
    "asleep": Word(N_("Asleep"), "info", 3),
    "clock-wrong": Word(N_("Clock wrong"), "warn", 6),
    "faulty": Word(N_("Faulty"), "bad", 8),
    "offline": Word(N_("Offline"), "bad", 9),
}
UPKEEP_WORDS: Mapping[str, Word] = {
    "calibration_due": Word(N_("Calibration due"), "warn", 5),
    "out_of_paper": Word(N_("Out of paper"), "warn", 5),
    "low_battery": Word(N_("Low battery"), "warn", 5),
    "maintenance": Word(N_("Under maintenance"), "info", 4),
}
# The registry's word outweighs what is heard: who is not in use is not missed.
LIFE_WORDS: Mapping[str, Word] = {
    "registered": Word(N_("Registered, not in use"), "off", 0),
    "provisioned": Word(N_("Ready, not in use"), "off", 0),
    "quarantined": Word(N_("Taken out of use"), "off", 0),
}
ROLE_WORDS: Mapping[str, str] = {
    "operator": N_("Operator on duty"),
    "director": N_("Director of the community"),
    "staff": N_("Community staff"),
    "attendant": N_("Attendant of the hut"),
    "grid_worker": N_("Grid worker"),
    "doctor": N_("Family doctor"),
    "supervisor": N_("Supervisors"),
    "points_office": N_("Points office"),
    "publisher": N_("Publisher on duty"),
    "department": N_("Department"),
    "admin": N_("Administrator"),
}
WAY_WORDS: Mapping[str, str] = {
    "sms": N_("Text message"),
    "wechat": N_("WeChat"),
    "webpush": N_("App notification"),
    "apprise": N_("Group chat"),
}
QUALITY_WORDS: Mapping[str, str] = {"ok": N_("Valid"), "suspect": N_("Doubtful"), "bad": N_("Failed")}
ADVICE: Mapping[str, str] = {
    "hut-offline": N_("The line of the whole hut is down: check its power and network"),
    "offline": N_("The device does not answer; the hut's line is up, so it is the device"),
    "faulty": N_("Three measurements failed in a row: check cuff, probe and battery"),
    "clock-wrong": N_("Its clock is more than two minutes off: set it; its times are not believed until then"),
    "calibration_due": N_("Book the metrological verification"),
    "out_of_paper": N_("Refill the paper"),
    "low_battery": N_("Change the battery"),
    "maintenance": N_("Confirm when the maintenance is done"),
}
