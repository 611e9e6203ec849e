"""What a claim needs and may become: whose signatures, when it is published, which step follows which. Pure."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from hub.civic.points.catalogue import Item
from hub.i18n import N_

THIRD_FROM = 100  # points; from here on, and for every D item, three people sign (三瓣章)
PUBLIC_FROM = 50  # points; from here on the neighbours may object before anything is credited
PUBLICITY = timedelta(days=3)
APPEAL = timedelta(days=15)  # a deduction waits that long for its household's word
OBJECT_DAYS = 15  # against an entry of one's own
AGENT_DAYS = 7  # against what somebody else did in one's name
COMPLAINT_DAYS = 30  # who was complained about does not judge the one who complained
REMINDERS = 2  # in writing, before a nuisance costs points
REMINDER_DAYS = 180  # an older reminder has been forgotten
REMINDED = ("D07", "D09")
FALSE_CLAIM = "D10"
PEER = "S"  # the signature that another community gives where the owner is on the staff

# A letter of the catalogue -> the permission that may sign it.
SIGNS = {
    "G": "points.verify", "S": "points.approve", "P": "points.police", "M": "points.third", "B": "points.above",
}  # fmt: skip
LETTERS = {
    "G": N_("Verified by a grid worker"), "S": N_("Approved by a community worker"),
    "P": N_("Confirmed by the police post"), "M": N_("Signed by the supervisors"),
    "B": N_("Confirmed by the street office"),
}  # fmt: skip
STATES = {
    "claimed": N_("Waiting for verification"), "verified": N_("Verified"), "approved": N_("Approved, not credited yet"),
    "public": N_("On public notice"), "announced": N_("Announced, time to appeal"), "objected": N_("Objection raised"),
    "posted": N_("Credited to the account"), "returned": N_("Sent back"), "refused": N_("Not granted"),
    "withdrawn": N_("Taken back by whoever declared it"), "reversed": N_("Taken back"),
    "settled": N_("Deduction settled"),
}  # fmt: skip
TAGS = {
    "claimed": "warn", "verified": "info", "approved": "info", "public": "info", "announced": "warn", "objected": "bad",
    "posted": "ok", "returned": "warn", "refused": "bad", "withdrawn": "plain", "reversed": "bad", "settled": "plain",
}  # fmt: skip
SIGNABLE = ("claimed", "verified", "approved")
WAITING = ("public", "announced")
ENDED = ("posted", "refused", "withdrawn", "reversed", "settled")


def parts(item: Item, points: int, *, forced: bool = False) -> tuple[str, ...]:
    """Whose signatures, in their order. An act without an attendance sheet is verified and approved like any other."""
    letters = ("G", "S") if item.approvers == ("A",) else item.approvers
    if item.category == "D" or abs(points) >= THIRD_FROM or forced:
        letters = letters if "M" in letters else (*letters, "M")
        letters = letters if len(letters) >= 3 else ("G", *letters)
    if forced:  # a supervisor looks first, before anybody of the desk that was complained about
        letters = ("M", *[each for each in letters if each != "M"])
    return letters


def after_signature(done: int, needed: int) -> str:
    if done >= needed:
        return "signed"
    return "verified" if done == 1 else "approved"


def is_published(points: int) -> bool:
    return points >= PUBLIC_FROM


def act_key(item: str, subject: str, day: date, proof: str) -> str:
    """What makes an act one act: what, whose, when, and the document, activity or picture that proves it."""
    return hashlib.sha256("\n".join((item, subject, day.isoformat(), proof)).encode()).hexdigest()


def deducted(points: int, *, balance: int, left_in_month: int | None, worked_off: int) -> int:
    """What a nuisance costs in the end: never below zero, never past the month's cap, less what was worked off."""
    due = abs(points) - worked_off
    if left_in_month is not None:
        due = min(due, left_in_month)
    return max(0, min(due, balance))
