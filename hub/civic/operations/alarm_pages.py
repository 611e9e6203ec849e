"""/operate/alarms: what the rules have raised, the text in force, proposals with their difference, and rehearsals."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from hub.access import Subject, needs
from hub.civic.operations import acts, alarms, duty, rule_sets, rulebook, scope, stream, summons
from hub.civic.operations.alarms import Rehearsal
from hub.civic.operations.rule_sets import PROPOSE, SIGN
from hub.civic.operations.scope import VIEW
from hub.civic.operations.words import ROLE_WORDS, WAY_WORDS
from hub.db import Read
from hub.errors import LinliError
from hub.i18n import N_, pick
from hub.page import actor, page, see_other, services

Viewer = Annotated[Subject, needs(VIEW)]
Proposer = Annotated[Subject, needs(PROPOSE)]
Signer = Annotated[Subject, needs(SIGN)]
DAYS = (1, 7, 30)
Text = Annotated[str, Form(max_length=rulebook.TEXT_CHARS_MAX)]
Why = Annotated[str, Form(max_length=rule_sets.WHY_CHARS_MAX)]
LINES_SHOWN_MAX = 100
STEPS = {
    "raised": N_("It began"), "level": N_("Its weight changed"), "told": N_("Told after the quiet hours"),
    "cleared": N_("It is over"), "ended": N_("It is over"),
}  # fmt: skip


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/operate/alarms", listed, methods=["GET"])
    routes.add_api_route("/operate/alarms/{ident}", incident, methods=["GET"])
    routes.add_api_route("/operate/alarms/rules", propose, methods=["POST"])
    routes.add_api_route("/operate/alarms/rules/{version}", one, methods=["GET"])
    routes.add_api_route("/operate/alarms/rules/{version}/sign", sign, methods=["POST"])
    routes.add_api_route("/operate/alarms/rules/{version}/withdraw", withdraw, methods=["POST"])
    return routes


async def listed(request: Request, who: Viewer) -> Response:
    return page(request, "operations/alarms.html", **await _list(request, who), draft=None, wrong="")


async def incident(request: Request, ident: str, who: Viewer) -> Response:
    """One alarm from its beginning on, also when it is over: what the rule said, who was called, who answered."""
    within = scope.of(who)

    def look(read: Read) -> dict[str, Any]:
        alarm = alarms.one(read, within, ident)
        book = rulebook.read(rule_sets.get(read, alarm.ruleset).text)
        posts = duty.posts(read, book, alarm.area)
        called = {staff for post in posts for staff, _channels in post.people}
        kind, _colon, thing = alarm.subject.partition(":")
        return {
            "alarm": alarm, "title": pick(*alarms.titles(read).get(alarm.rule, (alarm.rule, alarm.rule))),
            "where": summons.named(read, alarm), "lines": alarms.history(read, alarm), "posts": posts,
            "told": summons.told(read, [alarm.id]), "people": acts.called(read, called),
            "thing": f"/operate/devices/{thing}" if kind == "device" else "",
            "names": acts.called(read, {alarm.acked_by} if alarm.acked_by else ()),
        }  # fmt: skip

    found = await services(request).store.read(look)
    return page(request, "operations/one_alarm.html", **found, steps=STEPS, roles=ROLE_WORDS, ways=WAY_WORDS)


async def propose(request: Request, who: Proposer, text: Text, why: Why = "") -> Response:
    """A text that cannot be read comes back with the reason beside it; nothing typed is lost."""
    try:
        made = await services(request).store.write(lambda tx: rule_sets.propose(tx, who, text, why), actor(request))
    except LinliError as error:
        told = await _list(request, who)
        return page(request, "operations/alarms.html", status=error.status, **told, draft=text, wrong=error.sentence)
    return see_other(f"/operate/alarms/rules/{made.version}")


async def one(request: Request, version: int, who: Viewer, days: Annotated[int, Query(ge=0, le=31)] = 0) -> Response:
    """One version: its text, what it changes, who has signed, and what it would have said in the past."""

    def look(read: Read) -> dict[str, Any]:
        found = rule_sets.get(read, version)
        base = rule_sets.get(read, found.base).text if found.base else ""
        signed = rule_sets.signatures(read, version)
        return {
            "found": found,
            "changes": rule_sets.difference(base, found.text),
            "signed": signed,
            "names": acts.called(read, {each.staff for each in signed} | {found.made_by}),
            "rehearsal": _rehearse(read, found.text, days) if days else None,
            "beside": _rehearse(read, base, days) if days and base else None,
            "may_sign": rule_sets.everywhere(read, who, SIGN)
            and all(each.person != (who.person or who.id) for each in signed),
            "may_withdraw": rule_sets.everywhere(read, who, PROPOSE),
        }

    told = await services(request).store.read(look)
    return page(
        request, "operations/rules.html", **told, days=days, choices=DAYS, parts=rule_sets.PARTS,
        part_words=rule_sets.PART_WORDS, states=rule_sets.STATES, lines_max=LINES_SHOWN_MAX,
    )  # fmt: skip


async def sign(request: Request, version: int, who: Signer) -> Response:
    await services(request).store.write(lambda tx: rule_sets.sign(tx, who, version), actor(request))
    return see_other(f"/operate/alarms/rules/{version}")


async def withdraw(request: Request, version: int, who: Proposer) -> Response:
    await services(request).store.write(lambda tx: rule_sets.withdraw(tx, who, version), actor(request))
    return see_other(f"/operate/alarms/rules/{version}")


def _rehearse(read: Read, text: str, days: int) -> Rehearsal:
    first = stream.first_full(read, read.now() - timedelta(days=days))
    return alarms.rehearse(read, rulebook.read(text), first)


async def _list(request: Request, who: Subject) -> dict[str, Any]:
    within = scope.of(who)

    def look(read: Read) -> dict[str, Any]:
        force = alarms.active(read)
        standing, over = alarms.listed(read, within, over=False), alarms.listed(read, within, over=True)
        return {
            "standing": standing,
            "over": over[:50],
            "titles": alarms.titles(read),
            "wheres": {each.id: summons.named(read, each) for each in [*standing, *over[:50]]},
            "roles": ROLE_WORDS,
            "versions": rule_sets.listed(read),
            "text": force.text if force is not None else alarms.SHIPPED.read_text(encoding="utf-8"),
            "names": acts.called(read, {each.acked_by for each in [*standing, *over] if each.acked_by}),
            "may_propose": rule_sets.everywhere(read, who, PROPOSE),
            "states": rule_sets.STATES,
            "at": read.now(),
        }

    return await services(request).store.read(look)
