"""WeChat's error codes as data: what each one asks us to do. Facts from the public list of return codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from channels.base import AddressGone, Dead, Outcome, Retry

_BEIJING = ZoneInfo("Asia/Shanghai")  # quotas renew at midnight there


@dataclass(frozen=True)
class Rule:
    action: Literal["refresh token", "retry", "next day", "dead", "gone"]
    why: str
    after_s: float | None = None
    for_all: bool = False  # the fault is the account's, not the message's


# What an operator has to mend (a template, a right, an address list) stays waiting: the notice is still worth sending.
OPERATOR_RETRY_S = 600.0

RULES: dict[int, Rule] = {
    -1: Rule("retry", "WeChat is busy"),
    -1000: Rule("retry", "WeChat has a fault"),
    40001: Rule("refresh token", "WeChat refuses the access token", 60.0, for_all=True),
    40014: Rule("refresh token", "WeChat refuses the access token", 60.0, for_all=True),
    42001: Rule("refresh token", "the access token has expired", 60.0, for_all=True),
    41001: Rule("retry", "no access token was sent", 60.0, for_all=True),
    40003: Rule("gone", "the openid is not known to this account"),
    43004: Rule("gone", "the resident no longer follows the account"),
    43019: Rule("gone", "the account has blocked this follower"),
    43101: Rule("dead", "the resident declined this message"),
    45015: Rule("dead", "the 48 hours for an answer are over"),
    45047: Rule("dead", "too many answers in a row without a word from the resident"),
    45002: Rule("dead", "the message is too long"),
    45067: Rule("dead", "the idempotency key is too long"),
    47001: Rule("dead", "WeChat cannot read the message"),
    47003: Rule("dead", "a field breaks the rule of its template"),
    40036: Rule("dead", "the template id has a wrong length"),
    40039: Rule("dead", "the link is too long"),
    40066: Rule("dead", "WeChat refuses the link"),
    45009: Rule("next day", "today's quota of the official account is used up", for_all=True),
    45011: Rule("retry", "too many calls this minute", 60.0, for_all=True),
    40037: Rule("retry", "the template is not enabled for this account", OPERATOR_RETRY_S, for_all=True),
    43116: Rule("retry", "WeChat has blocked the template", OPERATOR_RETRY_S, for_all=True),
    40013: Rule("retry", "the appid is wrong", OPERATOR_RETRY_S, for_all=True),
    40125: Rule("retry", "the app secret is wrong", OPERATOR_RETRY_S, for_all=True),
    40164: Rule("retry", "this server's address is not on the account's list", OPERATOR_RETRY_S, for_all=True),
    40243: Rule("retry", "the app secret is frozen", OPERATOR_RETRY_S, for_all=True),
    48001: Rule("retry", "the account has no right to this interface", OPERATOR_RETRY_S, for_all=True),
    48004: Rule("retry", "WeChat has closed this interface to the account", OPERATOR_RETRY_S, for_all=True),
    50002: Rule("retry", "the account is restricted", OPERATOR_RETRY_S, for_all=True),
    50004: Rule("retry", "the account may not use this interface", OPERATOR_RETRY_S, for_all=True),
    50007: Rule("retry", "the account is frozen", OPERATOR_RETRY_S, for_all=True),
}
UNLISTED = Rule("dead", "WeChat refuses with a code we do not know")


def rule_for(errcode: int) -> Rule:
    return RULES.get(errcode, UNLISTED)


def outcome_of(errcode: int, now: datetime) -> Outcome:
    rule, code = rule_for(errcode), str(errcode)
    if rule.action == "gone":
        return AddressGone(rule.why, code)
    if rule.action == "dead":
        return Dead(rule.why, code)
    if rule.action == "next day":
        return Retry(_until_midnight_s(now), rule.why, code)
    return Retry(rule.after_s, rule.why, code)


def _until_midnight_s(now: datetime) -> float:
    local = now.astimezone(_BEIJING)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - local).total_seconds()
