"""The mall as a resident sees it: what there is, what it costs, what waits to be fetched, and how to say “not me”."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from hub import directory
from hub.access import Subject, needs, signed_in, subject
from hub.civic.points import accounts, beneficiary, budget, counter, holds, ledger, rewards, rules, shelf, teams
from hub.civic.points.beneficiary import Owner
from hub.civic.points.reward_models import Redemption
from hub.db import Read, Tx
from hub.errors import LinliError, NotAllowed, NotFound
from hub.i18n import N_, _
from hub.page import actor, page, see_other, services
from hub.rng import code

Text = Annotated[str, Form(max_length=200)]
router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1/points")
OWN = signed_in("resident")
STATES = {
    "held": N_("Waiting to be fetched"), "picked": N_("Fetched"), "cancelled": N_("Cancelled"),
    "unclaimed": N_("Not fetched, given back"),
}  # fmt: skip


class RedemptionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account: str = Field(max_length=80)
    reward: str = Field(max_length=36)
    slot: str | None = Field(default=None, max_length=36)
    key: str = Field(min_length=8, max_length=36, pattern="^[a-z0-9-]+$")


class CodeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern="^[0-9]{6}$")


@router.get("/points/mall", dependencies=[OWN])
async def mall(request: Request) -> HTMLResponse:
    return await _mall(request)


async def _mall(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    once = code(services(request).rng, 16)

    def look(read: Read) -> dict[str, Any]:
        area = directory.area(read, who.area)
        idents = counter.own_accounts(who)
        found = accounts.held(read, idents)
        adult, times = _grown(read, who), rewards_times(read, who.area)
        return {
            "tz": area.tz, "adult": adult, "groups": shown(read, who.area, times),
            "balance": found[idents[0]].balance if idents and idents[0] in found else 0,
            "home": found[idents[1]].balance if len(idents) > 1 and idents[1] in found else 0,
            "agreed": directory.has_consent(read, who.id, "household_points", ledger.SHARE_VERSION),
            "held": sum(holds.standing(read, idents).values()),
            "mine": [line(each, shelf.name(reward)) for each, reward in rewards.of_accounts(read, idents)],
            "open": goods_open(read, who.area),
        }  # fmt: skip

    shown_now = await services(request).store.read(look)
    return page(request, "points/mall.html", status=status, wrong=wrong, once=once, states=STATES, **shown_now)


@router.post("/points/mall", dependencies=[OWN])
async def redeem(request: Request, reward: Text, once: Text, slot: Text = "", whose: Text = "person") -> Response:
    who = subject(request)
    try:
        await services(request).store.write(
            lambda tx: _redeem(tx, who, f"{whose}-{_owner_id(who, whose)}", reward, f"rd-{once}", slot or None),
            actor(request),
        )
    except LinliError as error:
        return await _mall(request, error.sentence, error.status)
    return see_other("/points/mall#mine")


@router.post("/points/mall/{ident}/cancel", dependencies=[OWN])
async def cancel(request: Request, ident: str) -> Response:
    return await _step(request, lambda tx, who: _cancel(tx, who, ident))


@router.post("/points/mall/{ident}/dispute", dependencies=[OWN])
async def dispute(request: Request, ident: str, said: Text = "") -> Response:
    return await _step(request, lambda tx, who: counter.dispute(tx, who, ident, said))


async def _step(request: Request, work: Any) -> Response:
    who = subject(request)
    try:
        await services(request).store.write(lambda tx: work(tx, who), actor(request))
    except LinliError as error:
        return await _mall(request, error.sentence, error.status)
    return see_other("/points/mall#mine")


@api.get("/rewards", dependencies=[signed_in("resident", "staff", "token")])
async def listing(request: Request, area: str = "") -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> list[dict[str, Any]]:
        code_ = area or who.area
        if code_ != who.area:
            who.require("points.read", directory.area(read, code_).path)
        return [
            {
                "id": each.id, "kind": each.kind, "zh": each.zh, "en": each.en, "points": each.price,
                "stock": each.stock, "stars": each.stars,
                "slots": [{"id": one.id, "starts": one.starts.isoformat()} for one in times],
            }
            for each, times in with_times(read, code_)
        ]  # fmt: skip

    return {"items": await services(request).store.read(look), "after": None}


@api.post("/redemptions", status_code=201, dependencies=[OWN])
async def set_aside(request: Request, body: RedemptionBody) -> JSONResponse:
    """The key makes it one redemption, however often it is asked for."""
    who = subject(request)
    found = await services(request).store.write(
        lambda tx: _redeem(tx, who, body.account, body.reward, f"rd-{body.key}"[:36], body.slot), actor(request)
    )
    return JSONResponse(_shape(found) | {"code": found.code}, 201)


@api.post("/redemptions/{ident}/cancel", dependencies=[OWN])
async def call_off(request: Request, ident: str) -> dict[str, Any]:
    who = subject(request)
    return _shape(await services(request).store.write(lambda tx: _cancel(tx, who, ident), actor(request)))


@api.post("/redemptions/{ident}/pickup", dependencies=[needs("points.counter")])
async def fetch(request: Request, ident: str, body: CodeBody) -> dict[str, Any]:
    who = subject(request)

    def hand(tx: Tx) -> Redemption:
        found = tx.session.get(Redemption, ident)
        if found is None or not who.may("points.counter", directory.area(tx, found.area).path):
            raise NotFound(_("There is no such redemption"))
        if found.state == "held" and found.code != body.code:
            raise NotAllowed(_("The code is not the owner's"))
        return rewards.pick_up(tx, found.area, body.code, who)

    return _shape(await services(request).store.write(hand, actor(request)))


def shown(
    read: Read, area: str, times: dict[str, list[Any]], *, teams: bool = False
) -> list[tuple[str, list[dict[str, Any]]]]:
    """The shelf by kind, in the reader's words; `unpaid` is what costs more of this year's money than is left."""
    groups: dict[str, list[dict[str, Any]]] = {kind: [] for kind in shelf.KINDS}
    left = money_left(read, area)
    for each in shelf.rewards(read, area, teams=teams):
        groups[each.kind].append(
            {
                "id": each.id, "name": shelf.name(each), "price": each.price, "stock": each.stock, "fen": each.fen,
                "stars": each.stars, "slots": times.get(each.id, []),
                "gone": each.stock == 0 or (each.id in times and not times[each.id]), "unpaid": each.fen > left,
            }
        )  # fmt: skip
    return [(_(shelf.KINDS[kind]), found) for kind, found in groups.items() if found]


def rewards_times(read: Read, area: str) -> dict[str, list[Any]]:
    return {ident: list(found) for ident, found in shelf.slots(read, area).items()}


def with_times(read: Read, area: str) -> list[tuple[Any, list[Any]]]:
    times = rewards_times(read, area)
    return [(each, times.get(each.id, [])) for each in shelf.rewards(read, area)]


def goods_open(read: Read, area: str) -> bool:
    """Whether there is money for what costs some; services and honours are always open."""
    return money_left(read, area) > 0


def money_left(read: Read, area: str) -> int:
    try:
        return budget.purse(read, area, budget.year_of(read.now(), directory.area(read, area).tz)).available
    except NotFound:
        return 0


def line(found: Redemption, name: str) -> dict[str, Any]:
    return {
        "id": found.id, "name": name, "state": found.state, "price": found.price, "at": found.at, "until": found.until,
        "code": found.code if found.state == "held" else "", "agent": bool(found.entered_by),
        "disputed": found.disputed_at is not None, "answered": found.answered_at is not None,
        "away": found.offline is not None, "answer": found.answer, "settled": found.settled_at,
    }  # fmt: skip


def _redeem(tx: Tx, who: Subject, account: str, reward: str, once: str, slot: str | None) -> Redemption:
    kind, _dash, ident = account.partition("-")
    if kind == "organisation":
        teams.must_act(tx, who, ident, spends=True)
    elif account not in counter.own_accounts(who):
        raise NotAllowed(_("You spend your own points and your own household's"))
    if kind == "household":
        agreed = directory.has_consent(tx, who.id, "household_points", ledger.SHARE_VERSION)
        if not agreed or not _grown(tx, who):
            raise NotAllowed(_("Agree to share the household's points first"))
    owner: Owner = beneficiary.one(tx, kind, ident)
    return rewards.redeem(tx, owner, reward, once, slot=slot, asker=who.id)


def _cancel(tx: Tx, who: Subject, ident: str) -> Redemption:
    found = tx.session.get(Redemption, ident)
    if found is None or not counter.may_answer(tx, who, found.account):
        raise NotFound(_("There is no such redemption"))
    rewards.give_back(tx, found, "cancelled", who.id)
    return found


def _owner_id(who: Subject, whose: str) -> str:
    return (who.household if whose == "household" else who.person) or ""


def _grown(read: Read, who: Subject) -> bool:
    person = directory.resident(read, who.id)
    today = read.now().astimezone(ZoneInfo(directory.area(read, person.area).tz)).date()
    return directory.age(person.born, today) >= rules.ADULT


def _shape(found: Redemption) -> dict[str, Any]:
    return {
        "id": found.id, "account": found.account, "reward": found.reward, "points": found.price, "state": found.state,
        "until": found.until.isoformat(),
    }  # fmt: skip
