"""What can go wrong in a way that someone must act on. Each has a sentence a person can read and an HTTP status.

LinliError
├── NotFound            404  no such thing, or not yours to see
├── NotAllowed          403  the role or the place does not cover it
│   ├── NotMarked       403  an API token that was not marked for what it asks
│   └── NotSigned       403  a signature that separation of duties refuses; the attempt is kept
├── ProveAgain          403  the password must be typed once more; a page asks for it in place and then goes on
├── NotSignedIn         401  no session, or it has ended
├── Refused             422  the request itself is wrong; the sentence says what to change
├── Conflict            409  it contradicts what is already there
│   └── StillMissing    409  signatures or steps are missing; names them
├── TooMany             429  a limit was reached; `retry_after_s` says when to come back
└── Unavailable         503  the hub cannot do it now

Sentences are made with `_()`, in the caller's language, where the error is raised.
"""

from __future__ import annotations


class LinliError(Exception):
    status = 500
    slug = "error"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def kept(self) -> dict[str, str] | None:
        """What stays on record although the transaction it ended is undone (hub/db.py)."""
        return None


class NotFound(LinliError):
    status = 404
    slug = "not-found"


class NotAllowed(LinliError):
    status = 403
    slug = "not-allowed"


class NotMarked(NotAllowed):
    slug = "token-not-marked"


class NotSigned(NotAllowed):
    """Somebody tried to sign what they may not: their own, their household's, or a second part of one thing."""

    slug = "not-signed"

    def __init__(self, sentence: str, what: str, part: str, why: str, area: str) -> None:
        super().__init__(sentence)
        self._kept = {"what": what, "part": part, "why": why, "area": area}

    def kept(self) -> dict[str, str]:
        return self._kept


class ProveAgain(LinliError):
    status = 403
    slug = "prove-again"


class NotSignedIn(LinliError):
    status = 401
    slug = "not-signed-in"


class Refused(LinliError):
    status = 422
    slug = "refused"


class Conflict(LinliError):
    status = 409
    slug = "conflict"


class StillMissing(Conflict):
    slug = "still-missing"


class TooMany(LinliError):
    status = 429
    slug = "too-many"

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Unavailable(LinliError):
    status = 503
    slug = "unavailable"
