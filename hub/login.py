"""Signing in: passwords (argon2id), one-time codes, and sessions that live on the server.

A session's token is 256 bits; the store keeps its SHA-256. Each surface family has a session of its own (contracts.md
3), so that a kiosk, a phone, a TV and a desk can stand side by side in one browser.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import Column, delete, select, update
from sqlmodel import Field, SQLModel, col

from hub.access import Grant, Subject
from hub.db import Read, Tx
from hub.directory import Area, Resident, Staff, grants
from hub.errors import Conflict, NotSignedIn, TooMany
from hub.i18n import _
from hub.rng import Rng, code, secret
from hub.types import UtcTime

# OWASP's floor for argon2id: about 60 ms on the smallest machine, at most two at once (web/auth.py).
ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, ARGON2_LANES = 2, 19 * 1024, 1
SALT_BYTES = 16
TRIES_MAX = 10  # wrong passwords per login and minute
SESSION_HOURS = {"resident": 24 * 30, "staff": 12, "kiosk": 24 * 365, "tv": 24 * 365, "api": 24 * 365}
CODE_MINUTES = 15
PRUNED_MAX = 1_000  # rows of one transaction: a city has 128,000 televisions
SURFACES = ("resident", "staff", "kiosk", "tv")


class Login(SQLModel, table=True):
    __tablename__ = "login"
    name: str = Field(primary_key=True, max_length=64)  # what is typed: a phone's mark or a staff login
    kind: str = Field(max_length=16)  # resident | staff
    subject: str = Field(max_length=64, index=True)
    password: str = Field(max_length=200)
    tries: int = Field(default=0)
    tries_from: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class SessionRow(SQLModel, table=True):
    __tablename__ = "session"
    token_hash: str = Field(primary_key=True, max_length=64)
    surface: str = Field(max_length=16)
    kind: str = Field(max_length=16)
    subject: str = Field(max_length=64, index=True)
    area: str = Field(default="", max_length=12)
    csrf: str = Field(max_length=64)
    created: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    role: str = Field(default="", max_length=32)  # API tokens: the one role they carry
    proved: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # when its holder last typed the password
    emergencies: bool = Field(default=False)  # API tokens: marked by an operator for signing emergencies
    household: str | None = Field(default=None, max_length=64, index=True)  # TV boxes: whose it is (hub/box.py)
    person: str | None = Field(default=None, max_length=64)  # ... and who said so, whose word a press of a key is
    bound_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class OneTimeCode(SQLModel, table=True):
    __tablename__ = "one_time_code"
    code_hash: str = Field(primary_key=True, max_length=64)
    surface: str = Field(max_length=16)
    kind: str = Field(max_length=16)
    subject: str = Field(max_length=64)
    area: str = Field(default="", max_length=12)
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))


def set_password(tx: Tx, name: str, kind: str, subject: str, password: str) -> None:
    tx.session.merge(Login(name=name.lower(), kind=kind, subject=subject, password=hashed(tx.rng, password)))


def give_password(tx: Tx, name: str, staff: str, password: str) -> None:
    """A password for a member of staff under a name that is nobody else's."""
    standing = tx.session.get(Login, name.strip().lower())
    if standing is not None and standing.subject != staff:
        raise Conflict(_("Somebody else signs in under this name; choose another"))
    set_password(tx, name.strip(), "staff", staff, password)


def check_password(tx: Tx, name: str, password: str) -> Login | None:
    """The three steps at once; the web takes the slow middle one out of the transaction."""
    return settle_try(tx, name, proves(password_of(tx, name), password))


def password_of(read: Read, name: str) -> str | None:
    """The stored hash a password must prove. Raises when this login was tried too often."""
    row = read.session.get(Login, name.strip().lower())
    if row is None:
        return None
    if row.tries >= TRIES_MAX and row.tries_from is not None and read.now() - row.tries_from <= timedelta(minutes=1):
        raise TooMany(_("Too many wrong passwords; wait a minute and try again"), 60)
    return row.password


def proves(phc: str | None, password: str) -> bool:
    """Pure and slow on purpose: run it in a thread, never on the writer."""
    if phc is None:
        # As slow as a real check, so that the time does not tell which names exist.
        _kdf(bytes(SALT_BYTES)).derive(password.encode())
        return False
    return _verify(phc, password)


def settle_try(tx: Tx, name: str, proved: bool) -> Login | None:
    """Count the try; gives the login when it was proved. A wrong try must be committed, so do not raise after it."""
    row = tx.session.get(Login, name.strip().lower())
    if row is None:
        return None
    now = tx.now()
    if row.tries_from is None or now - row.tries_from > timedelta(minutes=1):
        row.tries, row.tries_from = 0, now
    if row.tries >= TRIES_MAX:
        raise TooMany(_("Too many wrong passwords; wait a minute and try again"), 60)
    row.tries = 0 if proved else row.tries + 1
    tx.session.add(row)
    return row if proved else None


def hashed(rng: Rng, password: str) -> str:
    """argon2id in the PHC string form (RFC 9106)."""
    return _kdf(rng.token(SALT_BYTES)).derive_phc_encoded(password.encode())


def _kdf(salt: bytes) -> Argon2id:
    return Argon2id(
        salt=salt,
        length=32,
        iterations=ARGON2_ITERATIONS,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY_KIB,
    )


def _verify(phc: str, password: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), phc)
    except InvalidKey:
        return False
    return True


def open_session(
    tx: Tx, surface: str, kind: str, subject: str, *, area: str = "", role: str = "", proved: bool = False,
    emergencies: bool = False,
) -> str:  # fmt: skip
    """Start a session and give its token, which nobody sees again. `proved`: by a password, this moment."""
    token = secret(tx.rng)
    hours = SESSION_HOURS[surface]
    tx.session.add(
        SessionRow(
            token_hash=_hash(token),
            surface=surface,
            kind=kind,
            subject=subject,
            area=area,
            csrf=secret(tx.rng)[:32],
            created=tx.now(),
            expires=tx.now() + timedelta(hours=hours),
            role=role,
            proved=tx.now() if proved else None,
            emergencies=emergencies,
        )
    )
    return token


def note_proof(tx: Tx, token: str) -> None:
    """The holder of this session has just typed the password once more."""
    mine = update(SessionRow).where(col(SessionRow.token_hash) == _hash(token))
    tx.session.execute(mine.values(proved=tx.now()))


def name_of(read: Read, kind: str, subject: str) -> str | None:
    """What this person types to sign in; None for who has only ever come by a one-time code."""
    mine = select(col(Login.name)).where(col(Login.kind) == kind, col(Login.subject) == subject)
    return read.session.execute(mine.order_by(col(Login.name)).limit(1)).scalar_one_or_none()


def close_session(tx: Tx, token: str) -> None:
    tx.session.execute(delete(SessionRow).where(col(SessionRow.token_hash) == _hash(token)))


def close_sessions_of(tx: Tx, subject: str) -> None:
    tx.session.execute(delete(SessionRow).where(col(SessionRow.subject) == subject))


def subject_of(read: Read, token: str, surface: str) -> Subject | None:
    """Whoever holds this token on this surface family, with roles as they stand now."""
    row = read.session.get(SessionRow, _hash(token))
    if row is None or row.expires <= read.now() or (row.surface != surface and row.kind != "token"):
        return None
    base: dict[str, Any] = {
        "id": row.subject,
        "kind": row.kind,
        "surface": row.surface,
        "csrf": row.csrf,
        "session": row.token_hash[:16],
        "proved_at": row.proved,
        "emergencies": row.emergencies,
    }
    if row.kind == "resident":
        return _resident_subject(read, row, base)
    if row.kind == "staff":
        return _staff_subject(read, row, base)
    area = read.session.get(Area, row.area) if row.area else None
    roles = (Grant(row.role, area.path if area else ""),) if row.role else ()
    hut = row.subject if row.kind == "kiosk" else None
    home: dict[str, Any] = {"household": row.household, "person": row.person} if row.kind == "tv" else {}
    return Subject(**base, **home, grants=roles, area=row.area, area_path=area.path if area else "", hut=hut)


def _resident_subject(read: Read, row: SessionRow, base: dict[str, Any]) -> Subject | None:
    person = read.session.get(Resident, row.subject)
    if person is None:
        return None
    path = read.session.execute(select(col(Area.path)).where(col(Area.code) == person.area)).scalar_one()
    return Subject(
        **base,
        grants=(Grant("resident", path),),
        area=person.area,
        area_path=path,
        household=person.household,
        person=person.id,
    )


def _staff_subject(read: Read, row: SessionRow, base: dict[str, Any]) -> Subject | None:
    staff = read.session.get(Staff, row.subject)
    if staff is None or not staff.active:
        return None
    held = grants(read, staff.id)
    home = max((grant.area_path for grant in held), key=len, default="")
    return Subject(
        **base,
        grants=held,
        area=home.rsplit("/", 1)[-1],
        area_path=home,
        household=staff.household,
        person=staff.person,
    )


def issue_code(
    tx: Tx, surface: str, kind: str, subject: str, *, area: str = "", minutes: int = CODE_MINUTES, length: int = 16
) -> str:
    """A one-time code that opens one session. 16 characters are 80 bits."""
    text = code(tx.rng, length)
    tx.session.add(
        OneTimeCode(
            code_hash=_hash(text),
            surface=surface,
            kind=kind,
            subject=subject,
            area=area,
            expires=tx.now() + timedelta(minutes=minutes),
        )
    )
    return text


def code_row(read: Read, text: str) -> OneTimeCode | None:
    """What a one-time code is for, without using it up."""
    return read.session.get(OneTimeCode, _hash(text.strip().lower()))


def redeem_code(tx: Tx, text: str) -> tuple[str, OneTimeCode]:
    """Use a code up; gives the session token and what the code was for."""
    row = tx.session.get(OneTimeCode, _hash(text.strip().lower()))
    used = tx.change(delete(OneTimeCode).where(col(OneTimeCode.code_hash) == row.code_hash)) if row is not None else 0
    if row is None or used != 1 or row.expires <= tx.now() or row.surface not in SURFACES:
        raise NotSignedIn(_("This one-time code is used up or too old; ask for a new one"))
    return open_session(tx, row.surface, row.kind, row.subject, area=row.area), row


def create_token(tx: Tx, role: str, area: str, *, emergencies: bool = False) -> str:
    """An API token: one role within one area; no password stands behind it, so only a marked one signs emergencies."""
    name = f"token-{role}-{code(tx.rng, 6)}"
    return open_session(tx, "api", "token", name, area=area, role=role, emergencies=emergencies)


def prune(tx: Tx, limit: int = PRUNED_MAX) -> bool:
    """Forget a page of sessions and codes whose time is over. Says whether there may be more."""
    over = select(col(SessionRow.token_hash)).where(col(SessionRow.expires) < tx.now()).limit(limit)
    spent = select(col(OneTimeCode.code_hash)).where(col(OneTimeCode.expires) < tx.now()).limit(limit)
    sessions = tx.change(delete(SessionRow).where(col(SessionRow.token_hash).in_(over)))
    codes = tx.change(delete(OneTimeCode).where(col(OneTimeCode.code_hash).in_(spent)))
    return limit in (sessions, codes)


def change_staff(tx: Tx, staff: str, *, active: bool) -> None:
    tx.session.execute(update(Staff).where(col(Staff.id) == staff).values(active=active))
    if not active:
        close_sessions_of(tx, staff)


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
