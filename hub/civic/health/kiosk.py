"""A visit at a hut's kiosk, as verbs: card or guest, agreeing, measuring, looking back, going. One at a time per kiosk.

Every verb finds the kiosk's open visit itself and does nothing when there is none: whoever taps a button of a page that
was cleared a moment ago meets the idle page, never the next neighbour's visit.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import col

from hub import directory, readings, registry
from hub.civic.health.events import KioskClosed, KioskOpened
from hub.civic.health.models import KioskSession
from hub.db import Read, Tx
from hub.errors import TooMany
from hub.i18n import _
from hub.readings import Reading

TOPIC = "health.kiosk"
CONSENT_PURPOSE, CONSENT_VERSION = "kiosk", "2"  # a new version of the page asks everyone again
KINDS = ("bp", "spo2", "temp", "weight", "glucose")
REST_S = 300  # five minutes: the guidelines' rest before a cuff, and S-2's before the second one
CARD_TRIES_MAX = 5  # wrong numbers in one visit; a card's number is short and must not be found by trying
CARD_PAUSE_S = 60
AFTERWARDS = "afterwards"  # the meal is asked of a result that stands there already


def open_at(read: Read, hut: str) -> KioskSession | None:
    """The visit going on at this kiosk."""
    rule = select(KioskSession).where(col(KioskSession.hut) == hut, col(KioskSession.closed).is_(None))
    return read.session.execute(rule).scalar_one_or_none()


def visitor(read: Read, hut: str) -> str | None:
    """Whose card opened the visit that is going on; nobody during a guest's."""
    session = open_at(read, hut)
    return session.person if session is not None and session.began is not None else None


_TAKES_READINGS = (col(KioskSession.closed).is_(None), col(KioskSession.began).is_not(None))
_BUSY = select(col(KioskSession.hut)).where(*_TAKES_READINGS)


def open_among(read: Read, huts: Collection[str]) -> dict[str, KioskSession]:
    """The open visits of these huts that take readings."""
    # Asked for every batch of readings, and nearly always nobody sits there: so first by a statement made once.
    busy = [hut for hut in read.session.execute(_BUSY).scalars() if hut in huts]
    if not busy:
        return {}
    rule = select(KioskSession).where(col(KioskSession.hut).in_(busy), *_TAKES_READINGS)
    return {row.hut: row for row in read.session.execute(rule).scalars()}


def open_session(tx: Tx, hut: str, *, card: str | None = None, guest: bool = False) -> KioskSession:
    """Begin a visit with a card, as a guest, or at the page that asks for a card. The visit before it ends."""
    if guest:
        return _begin(tx, _replace(tx, hut), person=None)
    _pause_after_wrong_cards(tx, hut)
    if card is None:
        return _replace(tx, hut)
    return present_card(tx, hut, card)


def present_card(tx: Tx, hut: str, card: str) -> KioskSession:
    """A card was tapped or its number typed: greet, or ask for consent first, or say that it is unknown."""
    _pause_after_wrong_cards(tx, hut)
    session = open_at(tx, hut)
    if session is None or session.began is not None:
        session = _replace(tx, hut)  # someone else's card: the visit before it is over
    person = _card_owner(tx, hut, card)
    if person is None:
        session.stage, session.note, session.candidate = "card", "unknown_card", None
        session.tries += 1
        if session.tries >= CARD_TRIES_MAX:
            close(tx, session, "tries")
        return _kept(tx, session)
    if directory.age(person.born, tx.now().date()) < directory.MINOR:
        # PIPL 31: no named visit of a child without a guardian; measuring without a name stays open to everyone.
        session.stage, session.note, session.candidate = "card", "minor", None
        return _kept(tx, session)
    if not directory.has_consent(tx, person.id, CONSENT_PURPOSE, CONSENT_VERSION):
        session.stage, session.candidate, session.note = "consent", person.id, ""
        return _kept(tx, session)
    return _begin(tx, session, person=person.id)


def agree(tx: Tx, hut: str) -> None:
    """【同意并开始】: the consent is kept with its version, and the visit carries the name from here on."""
    session = open_at(tx, hut)
    if session is None or session.stage != "consent" or session.candidate is None:
        return
    directory.give_consent(tx, session.candidate, CONSENT_PURPOSE, CONSENT_VERSION, "kiosk")
    _begin(tx, session, person=session.candidate)


def measure_unnamed(tx: Tx, hut: str) -> None:
    """【只测不记名】: the card is forgotten, the visit is a guest's."""
    session = open_at(tx, hut)
    if session is not None and session.stage == "consent":
        _begin(tx, session, person=None)


def choose(tx: Tx, hut: str, kind: str) -> None:
    session = _live(tx, hut)
    if session is not None and kind in KINDS:
        session.stage = "meal" if kind == "glucose" else "measuring"  # the word for a glucose depends on the last meal
        session.focus, session.hold_until, session.note, session.meal = kind, None, "", ""
        _kept(tx, session)


def eaten(tx: Tx, session: KioskSession, meal: str) -> None:
    """The answer to what the glucose page asks; on with the measuring."""
    session.meal, session.stage, session.note = meal, "measuring", ""
    _kept(tx, session)


def ask_meal(tx: Tx, hut: str) -> None:
    """Of the glucose just measured: the answer comes back to its result."""
    session = _live(tx, hut)
    if session is not None and session.stage == "result" and session.focus == "glucose" and session.reading:
        session.stage, session.note = "meal", AFTERWARDS
        _kept(tx, session)


def back_to_result(tx: Tx, session: KioskSession, meal: str) -> None:
    session.meal, session.stage, session.note = meal, "result", ""
    _kept(tx, session)


def rest(tx: Tx, hut: str) -> None:
    """Five quiet minutes; the page shows a clock and no value, and waits that long before it asks who is there."""
    session = _live(tx, hut)
    if session is not None:
        session.stage, session.hold_until = "rest", tx.now() + timedelta(seconds=REST_S)
        _kept(tx, session)


def turn_to(tx: Tx, hut: str, stage: str) -> None:
    """Another page of the same visit: ready, result, history (one's own, after a card), slip."""
    session = _live(tx, hut)
    if session is None:
        return
    allowed = {
        "ready": True,
        "result": session.reading is not None and session.stage != "confirm",
        "slip": session.reading is not None and session.stage != "confirm",
        "history": session.person is not None,
    }
    if allowed.get(stage, False):
        session.stage, session.hold_until, session.note = stage, None, ""
        _kept(tx, session)


def ask_whose(tx: Tx, session: KioskSession, reading: str, kind: str) -> None:
    """A result unlike this visitor's own: it stays nobody's until they say that it was them on the device."""
    session.reading, session.stage, session.note, session.focus = reading, "confirm", "", kind
    session.hold_until = None
    _kept(tx, session)


def answer_whose(tx: Tx, hut: str, mine: bool) -> None:
    """【是我测的】 or 【不是我】. A page left open answers for nothing."""
    session = _live(tx, hut)
    if session is None or session.stage != "confirm" or session.reading is None:
        return
    if mine:
        readings.bind(tx, session.reading, session.person, "card", session.id)
        session.stage, session.note = "result", ""
    else:
        session.reading, session.stage, session.note = None, "ready", "not_mine"
    _kept(tx, session)


def touch(tx: Tx, hut: str) -> None:
    """Someone is still there."""
    session = open_at(tx, hut)
    if session is None:
        return
    warned = session.warned is not None
    session.last_touch, session.warned = tx.now(), None
    tx.session.add(session)
    if warned:
        tx.touch(TOPIC, hut)


def close(tx: Tx, session: KioskSession, why: str) -> None:
    """The visit is over: nothing of it stays on the screen, and a guest's raw frames go at once."""
    if session.closed is not None:
        return
    session.closed, session.why = tx.now(), why
    session.candidate, session.reading, session.note, session.warned = None, None, "", None
    tx.session.add(session)
    tx.session.flush()
    if session.guest:
        readings.drop_raw(tx, _readings_of(tx, session))
    if session.began is not None:
        tx.emit(KioskClosed, session=session.id, hut=session.hut, why=why)
    tx.touch(TOPIC, session.hut)


def end(tx: Tx, hut: str) -> None:
    session = open_at(tx, hut)
    if session is not None:
        close(tx, session, "end")


def last_end(read: Read, hut: str, but: str) -> datetime | None:
    """When the visit before this one ended, or None."""
    rule = select(func.max(col(KioskSession.closed))).where(
        col(KioskSession.hut) == hut,
        col(KioskSession.id) != but,
        col(KioskSession.began).is_not(None),
    )
    ended: datetime | None = read.session.execute(rule).scalar()
    return ended


def _live(tx: Tx, hut: str) -> KioskSession | None:
    session = open_at(tx, hut)
    return session if session is not None and session.began is not None else None


def _replace(tx: Tx, hut: str) -> KioskSession:
    """End what is open at this kiosk and begin at the card page."""
    before = open_at(tx, hut)
    if before is not None:
        close(tx, before, "next")
    place = registry.hut(tx, hut)
    session = KioskSession(id=tx.new_id(), hut=hut, area=place.area, stage="card", opened=tx.now(), last_touch=tx.now())
    return _kept(tx, session)


def _begin(tx: Tx, session: KioskSession, person: str | None) -> KioskSession:
    session.person, session.guest, session.candidate = person, person is None, None
    session.stage, session.note, session.began = "ready", "", tx.now()
    _kept(tx, session)
    tx.emit(KioskOpened, session=session.id, hut=session.hut, guest=session.guest)
    return session


def _kept(tx: Tx, session: KioskSession) -> KioskSession:
    if session.closed is None:
        session.last_touch, session.warned = tx.now(), None
    tx.session.add(session)
    tx.session.flush()
    tx.touch(TOPIC, session.hut)
    return session


def _card_owner(read: Read, hut: str, card: str) -> directory.Resident | None:
    """Whose card it is. Six digits are the printed number without its community's letters (at lh-hut-1: LH-)."""
    typed = card.strip()
    if not 1 <= len(typed) <= 64:
        return None
    found = directory.resident_by_card(read, typed)
    if found is None and len(typed) == 6 and typed.isdigit():
        found = directory.resident_by_card(read, f"{hut.partition('-')[0].upper()}-{typed}")
    return found


def _pause_after_wrong_cards(read: Read, hut: str) -> None:
    since = read.now() - timedelta(seconds=CARD_PAUSE_S)
    rule = select(col(KioskSession.id)).where(
        col(KioskSession.hut) == hut, col(KioskSession.why) == "tries", col(KioskSession.closed) > since
    )
    if read.session.execute(rule.limit(1)).first() is not None:
        raise TooMany(
            _("Too many unknown cards; wait a minute, ask the attendant, or measure without signing in"), CARD_PAUSE_S
        )


def _readings_of(read: Read, session: KioskSession) -> list[str]:
    rule = select(col(Reading.id)).where(
        col(Reading.hut) == session.hut,
        col(Reading.t_received_ms) >= readings.to_ms(session.opened),
        col(Reading.session) == session.id,
    )
    return list(read.session.execute(rule).scalars())
