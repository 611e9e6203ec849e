"""The demo's notices: the 25 kinds, written, signed and released through the desk's own verbs; then the followers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import audience, directory
from hub.access import Permissions, Subject
from hub.audience import Audience
from hub.civic.notices import desk, fields, kinds, ladder, rules
from hub.civic.notices.wording import Words
from hub.db import Tx
from hub.directory import Area, Staff, StaffRole

# What stands on the screens of each community at the start, oldest first; the rest is history.
ACTIVE = ("hut_hours", "waste", "elder_allowance", "points_day", "vaccine", "water")
TEXTED = 12  # of each community: every release would otherwise fill the simulated telephones
CONTACT = "0724-1000001"  # invented, like everything here
WARNINGS = ("rain_red", "drill")  # an alarm on every screen would be no welcome: the visitor raises it


def seed(tx: Tx, world: Any) -> None:
    communities = directory.below(tx, _roots(tx))
    for community in communities:
        signer = _signer(tx, community)
        if signer is not None:
            _notices(tx, world, community, signer)
    world.clock.set(world.now)
    for community in world.plan.communities:
        # Bound last: nobody should find ninety days of old notices in their WeChat.
        audience.bind_many(tx, "wechat", ((person.id, person.openid) for person in community.people if person.openid))
        audience.bind_many(tx, "sms", ((person.id, person.phone) for person in _texted(community)))


def _texted(community: Any) -> list[Any]:
    """A few who have a telephone but no WeChat: those who live alone first."""
    have = [person for person in community.people if person.phone and not person.openid]
    return sorted(have, key=lambda person: ("alone" not in person.tags, "aged80" not in person.tags))[:TEXTED]


def _notices(tx: Tx, world: Any, community: Area, signer: Subject) -> None:
    past = [each for each in kinds.every() if each not in (*ACTIVE, *WARNINGS, "general")]
    for place, ident in enumerate(past):
        world.clock.set(world.now - timedelta(days=80 - 3 * place))
        ended = _release(tx, community, signer, ident)
        world.clock.set(world.now - timedelta(days=78 - 3 * place))
        desk.retract(tx, signer, ended, "The matter is settled")
    for place, ident in enumerate(ACTIVE):
        world.clock.set(world.now - timedelta(hours=6 * (len(ACTIVE) - place)))
        shown = _release(tx, community, signer, ident)
        if ladder.rungs_left(tx, shown):
            # Or the demo would begin with text messages about what was said hours ago.
            ladder.stop(tx, signer, shown, "Everybody who matters knows")
    world.clock.set(world.now)
    for ident in WARNINGS[1:]:
        desk.draft(tx, signer, _words(tx, community, ident))


def _release(tx: Tx, community: Area, signer: Subject, ident: str) -> str:
    # History was signed by one person each; what takes two is for the visitor to try.
    return desk.release(tx, signer, desk.draft(tx, signer, _words(tx, community, ident, "important")).id).id


def _words(tx: Tx, community: Area, ident: str, at_most: str = "emergency") -> Words:
    kind = kinds.every()[ident]
    values = kind.ready(tx.now().astimezone(ZoneInfo(community.tz)).date())
    made = fields.built(kind, values, tx.now(), community.tz)
    return Words(
        kind=ident, title=kind.title, text=made.text, title_en=kind.title_en, text_en=made.text_en,
        priority=min(kind.priority, at_most, key=lambda each: rules.ORDER[each]), contact=CONTACT,
        audience=Audience((community.code,)), template=kind.template, fields=fields.kept(kind, values),
        expires=None if kind.priority == "drill" else tx.now() + timedelta(days=kind.days),
    )  # fmt: skip


def _signer(tx: Tx, community: Area) -> Subject | None:
    from hub.civic.notices import PERMISSIONS  # the manifest imports this file

    director = tx.session.execute(
        select(Staff)
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(col(StaffRole.role) == "director", col(StaffRole.area) == community.code)
        .order_by(col(Staff.id))
        .limit(1)
    ).scalar_one_or_none()
    if director is None:
        return None
    return Subject(
        id=director.id, kind="staff", grants=directory.grants(tx, director.id), person=director.person,
        permissions=Permissions([PERMISSIONS]),
    )  # fmt: skip


def _roots(tx: Tx) -> list[str]:
    return list(tx.session.execute(select(col(Area.code)).where(col(Area.parent).is_(None))).scalars())
