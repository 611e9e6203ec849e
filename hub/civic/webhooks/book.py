"""Subscriptions and what is told to them: written down in the event's own transaction, told later, never lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Select, delete, func, select, update
from sqlmodel import col

from channels import apprise
from channels.base import Accepted, AddressGone, Dead, Outcome, Retry
from channels.text import one_line
from channels.webhook import CloudEvent, secret_of
from channels.webhook_net import Network, fault_of
from hub import backoff, directory
from hub.access import Subject, covers
from hub.civic.webhooks.events import TellingReplayed, WebhookChanged
from hub.civic.webhooks.kinds import BY_ID, KINDS, Kind
from hub.civic.webhooks.models import Happening, Subscription, Telling
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.events import Event
from hub.i18n import N_, _
from hub.rng import Rng

SUBSCRIPTIONS_MAX = 50  # each event is a row for each of them
ATTEMPTS_MAX = 9  # 5 s x 3^n: about nine hours
LEASE_S = 60.0  # twelve times what one try may take
BATCH = 20
FAULTS = {
    "this is no address": N_("This is no address; it looks like https://name/path"),
    "an address carries no password and no fragment": N_("An address carries no password and no fragment"),
    "only https leaves this house": N_(
        "Only https leaves this house; an address inside it must be opened in the settings"
    ),
    apprise.NOT_INSTALLED: N_("For addresses like this the hub needs the extra apprise, which is not installed here"),
}
_ACTIVE = "webhooks.active"  # in a session's own notes, which end with its transaction
KEPT_TOLD, KEPT_DEAD = timedelta(days=7), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    happening: str
    subscription: str
    holder: str
    attempts: int
    kind: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody typed into the form."""

    name: str
    url: str = field(repr=False)
    kinds: tuple[str, ...]
    area: str


def subscribe(tx: Tx, by: Subject, wish: Wish, allowed: Sequence[Network]) -> tuple[Subscription, str]:
    """A new subscription and its secret, which is shown this once; an address of Apprise's has none."""
    place = directory.area(tx, wish.area)
    by.require("webhooks.manage", place.path)
    name, kinds = one_line(wish.name)[:60], tuple(each for each in dict.fromkeys(wish.kinds) if each in BY_ID)
    if not name:
        raise Refused(_("Give it a name, so that others know whose it is"))
    if not kinds:
        raise Refused(_("Choose at least one kind of event"))
    staffs = apprise.is_one(wish.url)
    if fault := apprise.fault_of(wish.url) if staffs else fault_of(wish.url, allowed):
        raise Refused(_(FAULTS[fault]))
    if tx.session.execute(select(func.count()).select_from(Subscription)).scalar_one() >= SUBSCRIPTIONS_MAX:
        raise Conflict(_("There are too many webhooks; remove one first"))
    secret = secret_of(tx.rng.token(32))
    made = Subscription(
        id=tx.new_id(), name=name, url=wish.url, host=_shown(wish.url), secret=secret,
        kinds=json.dumps(kinds), path=place.path, state="active", made_by=by.id, made_at=tx.now(),
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    _changed(tx, made, "made")
    return made, "" if staffs else secret


def _shown(url: str) -> str:
    """Where it goes, for the page. Between the slashes of Apprise's addresses stand tokens."""
    return urlsplit(url).scheme if apprise.is_one(url) else urlsplit(url).netloc[:255]


def turn(tx: Tx, by: Subject, ident: str, state: str) -> Subscription:
    """Pause it or let it go on; what happened meanwhile is told then."""
    found = mine(tx, by, ident)
    found.state = state
    tx.session.add(found)
    _changed(tx, found, state)
    return found


def remove(tx: Tx, by: Subject, ident: str) -> None:
    found = mine(tx, by, ident)
    tx.session.execute(delete(Telling).where(col(Telling.subscription) == ident))
    _changed(tx, found, "removed")
    tx.session.delete(found)


def replay(tx: Tx, by: Subject, ident: str, happening: str = "") -> int:
    """Dead tellings are tried again from the first try on: one, or all. Returns how many."""
    found = mine(tx, by, ident)
    dead = [col(Telling.subscription) == found.id, col(Telling.state) == "dead"]
    if happening:
        dead.append(col(Telling.happening) == happening)
    count = tx.change(
        update(Telling).where(*dead).values(state="waiting", attempts=0, due=tx.now(), holder="", why="", code="")
    )
    if count:
        tx.emit(TellingReplayed, webhook=found.id, count=count)
        tx.touch("webhooks.list", "all")
    return count


def mine(read: Read, by: Subject, ident: str) -> Subscription:
    found = read.session.get(Subscription, ident, populate_existing=True)
    if found is None or not by.may("webhooks.manage", found.path):
        raise NotFound(_("There is no such webhook"))
    return found


def on_event(tx: Tx, event: Event) -> None:
    """In the event's own transaction: what was committed is told, what was rolled back never was."""
    for kind in KINDS:
        if type(event) is kind.event:
            _note(tx, kind, event)


def _note(tx: Tx, kind: Kind, event: Event) -> None:
    wanting = [each for each in _active(tx) if kind.id in json.loads(each.kinds)]
    if not wanting:
        return
    paths = [directory.area(tx, code).path for code in kind.areas(event)]
    hearing = [each for each in wanting if any(covers(each.path, path) or covers(path, each.path) for path in paths)]
    if not hearing or tx.session.get(Happening, event.id) is not None:
        return
    said = CloudEvent(event.id, kind.type, "/linli", event.subject(), event.at, kind.data(event))
    tx.session.add(Happening(id=event.id, kind=kind.id, body=said.body().decode(), at=event.at))
    tx.session.flush()
    tx.session.add_all(
        [Telling(happening=event.id, subscription=each.id, state="waiting", due=tx.now()) for each in hearing]
    )
    tx.session.flush()


def _active(tx: Tx) -> list[Subscription]:
    """Asked once a transaction: after a power cut ten thousand gateways come back in a few of them.

    Paused ones too: what happens meanwhile is told when they go on.
    """
    known: list[Subscription] | None = tx.session.info.get(_ACTIVE)
    if known is None:
        query = select(Subscription).where(col(Subscription.state) != "gone")
        known = tx.session.info[_ACTIVE] = list(tx.session.execute(query).scalars())
    return known


def is_due(read: Read) -> bool:
    return read.session.execute(_due(read.now()).limit(1)).first() is not None


def _due(now: datetime) -> Select[Telling]:
    return (
        select(Telling)
        .join(Subscription, col(Subscription.id) == col(Telling.subscription))
        .where(col(Telling.state) == "waiting", col(Telling.due) <= now, col(Subscription.state) == "active")
        .order_by(col(Telling.due))
    )


def claim(tx: Tx) -> list[Claimed]:
    """Take a batch for a while; a worker that dies lets go of it when the time is over."""
    holder = tx.new_id()
    rows = tx.session.execute(_due(tx.now()).limit(BATCH).with_for_update(of=Telling, skip_locked=True)).scalars().all()
    taken = []
    for row in rows:
        row.due, row.holder, row.attempts = tx.now() + timedelta(seconds=LEASE_S), holder, row.attempts + 1
        tx.session.add(row)
        to = tx.session.get_one(Subscription, row.subscription)
        what = tx.session.get_one(Happening, row.happening)
        taken.append(Claimed(what.id, to.id, holder, row.attempts, what.kind, to.url, to.secret, what.body.encode()))
    return taken


def settle(tx: Tx, outcomes: Sequence[tuple[Claimed, Outcome]]) -> None:
    for claimed, outcome in outcomes:
        row = tx.session.get(Telling, (claimed.happening, claimed.subscription), populate_existing=True)
        if row is None or row.holder != claimed.holder or row.state != "waiting":
            continue  # somebody else has it by now, or it was removed
        after(row, outcome, tx.now(), tx.rng)
        tx.session.add(row)
        to = tx.session.get_one(Subscription, claimed.subscription)
        if isinstance(outcome, Accepted):
            to.heard_at = tx.now()
        elif isinstance(outcome, AddressGone):
            to.state = "gone"
            _changed(tx, to, "gone")
        tx.session.add(to)
    tx.touch("webhooks.list", "all")


def after(row: Telling, outcome: Outcome, now: datetime, rng: Rng) -> None:
    """What one try makes of a telling."""
    row.holder = ""
    match outcome:
        case Accepted():
            row.state, row.settled_at, row.why, row.code = "told", now, "", ""
        case Retry(after_s, why, code) if row.attempts < ATTEMPTS_MAX:
            row.due = now + timedelta(seconds=backoff.wait_s(row.attempts, rng, after_s))
            row.why, row.code = why[:120], code[:40]
        case Retry(_, why, code) | Dead(why, code) | AddressGone(why, code):
            row.state, row.settled_at, row.why, row.code = "dead", now, why[:120], code[:40]


def prune(tx: Tx) -> None:
    """What was told is forgotten after a week, what nobody took after a month."""
    for state, kept in (("told", KEPT_TOLD), ("dead", KEPT_DEAD)):
        tx.session.execute(
            delete(Telling).where(col(Telling.state) == state, col(Telling.settled_at) < tx.now() - kept)
        )
    left = select(col(Telling.happening))
    tx.session.execute(
        delete(Happening).where(col(Happening.at) < tx.now() - KEPT_TOLD, col(Happening.id).not_in(left))
    )


def _changed(tx: Tx, found: Subscription, what: str) -> None:
    tx.session.info.pop(_ACTIVE, None)
    tx.emit(WebhookChanged, webhook=found.id, what=what)
    tx.touch("webhooks.list", "all")
