"""Photos as evidence: stripped to the picture, compared with every earlier one, sealed, and gone when they have served.

A picture that equals or resembles one of another claim holds the new claim until somebody has compared the two. The
marks of a picture stay when the picture goes: an old photo must not prove a new act.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import col

from hub import media
from hub.civic.points import claim_rules, likeness
from hub.civic.points.claim_models import Claim, Photo
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import _

PHOTOS_MAX = 3  # before, after, and one more
PHOTO_BYTES_MAX = 4 << 20  # a phone's photo; the page makes it smaller before it is sent
COMPARED_DAYS = 400  # a year and the time in which an act may be declared
KEPT_DAYS = 90  # after a claim is settled: longer than anybody may object
_FIELD = "points_photo.body"


@dataclass(frozen=True, slots=True)
class Picture:
    type: str
    body: bytes
    likeness: str


def read(body: bytes) -> Picture:
    """The picture as it is kept: without place, camera and comments. Work of a second for a large one: do it outside a
    transaction."""
    if len(body) > PHOTO_BYTES_MAX:
        raise Refused(_("A photo has at most {n} MB; make it smaller").format(n=PHOTO_BYTES_MAX >> 20))
    found = media.read(body)
    if found.type == media.PDF:
        raise Refused(_("Evidence is a photo (JPEG or PNG)"))
    return Picture(found.type, found.body, likeness.of(found.type, found.body))


def digest(picture: Picture) -> str:
    return hashlib.sha256(picture.body).hexdigest()


def attach(tx: Tx, claim: Claim, pictures: Sequence[Picture]) -> str:
    """Keep them; the id of the claim that has a like picture already, or nothing."""
    if len(pictures) > PHOTOS_MAX:
        raise Refused(_("A claim has at most {n} photos").format(n=PHOTOS_MAX))
    held = ""
    for picture in pictures:
        held = held or _like(tx, claim, picture)
        tx.session.add(
            Photo(
                id=tx.new_id(),
                claim=claim.id,
                digest=digest(picture),
                likeness=picture.likeness,
                type=picture.type,
                body=tx.seal.close(picture.body, _FIELD),
                at=tx.now(),
            )
        )
    tx.session.flush()
    return held


def _like(tx: Tx, claim: Claim, picture: Picture) -> str:
    """Another live claim's photo of the same content or likeness. A year's photos of one item are a few thousand."""
    since = tx.now() - timedelta(days=COMPARED_DAYS)
    rows = tx.session.execute(
        select(col(Photo.claim), col(Photo.digest), col(Photo.likeness))
        .join(Claim, col(Claim.id) == col(Photo.claim))
        .where(col(Photo.claim) != claim.id, col(Photo.at) >= since)
        .where(col(Claim.state).not_in(("withdrawn", "refused")))
        .where((col(Photo.digest) == digest(picture)) | (col(Claim.item) == claim.item))
    )
    for other, known, marks in rows:
        if known == digest(picture) or likeness.alike(marks, picture.likeness):
            return str(other)
    return ""


def shown(read: Read, claim: str) -> list[tuple[str, bool]]:
    """The photos of a claim, and whether each is still kept."""
    rows = read.session.execute(
        select(col(Photo.id), col(Photo.body).is_not(None)).where(col(Photo.claim) == claim).order_by(col(Photo.id))
    )
    return [(ident, bool(kept)) for ident, kept in rows]


def body(read: Read, claim: str, ident: str) -> tuple[str, bytes]:
    found = read.session.get(Photo, ident)
    if found is None or found.claim != claim or found.body is None:
        raise NotFound(_("There is no such file"))
    return found.type, read.seal.read(found.body, _FIELD)


def pictures(read: Read, claim: str) -> list[Picture]:
    rows = read.session.execute(select(Photo).where(col(Photo.claim) == claim, col(Photo.body).is_not(None))).scalars()
    return [Picture(each.type, read.seal.read(each.body or b"", _FIELD), each.likeness) for each in rows]


def drop(tx: Tx, claim: str) -> None:
    """They go on with the claim that takes this one's place."""
    tx.session.execute(delete(Photo).where(col(Photo.claim) == claim))


def purge(tx: Tx, now: datetime) -> int:
    """What has served is deleted; the marks stay."""
    ended = select(col(Claim.id)).where(
        col(Claim.state).in_(claim_rules.ENDED), col(Claim.settled_at) < now - timedelta(days=KEPT_DAYS)
    )
    return tx.change(update(Photo).where(col(Photo.body).is_not(None), col(Photo.claim).in_(ended)).values(body=None))
