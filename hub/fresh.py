"""Fresh authentication: what weighs most asks once more who is there (promises.md Q13).

A desk stands open for twelve hours; whoever finds it unattended must not be able to ring the alarm of a whole district.
So a signature that two people share asks each for a password typed within the last five minutes. An API token has no
password: for emergencies it needs an operator's mark instead. Ending one asks for neither: one person, at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.access import Subject
from hub.errors import NotMarked, ProveAgain
from hub.i18n import _

FRESH = timedelta(minutes=5)  # long enough to sign a handful in one go, too short for a walk to the kitchen


def is_fresh(who: Subject, now: datetime) -> bool:
    # A proof from the future is a clock that was set back; it must not last until then.
    return who.proved_at is not None and timedelta(0) <= now - who.proved_at < FRESH


def require(who: Subject, now: datetime, *, emergency: bool) -> None:
    """Raises unless this signer has proved who they are a moment ago. Deny by default: no proof is no signature."""
    if who.kind == "token":
        if emergency and not who.emergencies:
            raise NotMarked(_("This token is not marked for emergencies; an operator makes one that is"))
        return
    if not is_fresh(who, now):
        raise ProveAgain(_("Type your password once more: two people answer for this"))
