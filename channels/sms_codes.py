"""What an SMS gateway and the carriers behind it mean by their codes, as data: what each one asks us to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from channels.base import AddressGone, Dead, Outcome, Retry

OPERATOR_RETRY_S = 600.0  # what an operator has to mend waits: the notice is still worth sending


@dataclass(frozen=True)
class Rule:
    """For an answer of the gateway."""

    action: Literal["retry", "dead", "gone"]
    why: str
    after_s: float | None = None
    for_all: bool = False  # the fault is the account's, not the message's


@dataclass(frozen=True)
class Report:
    """For a carrier's status report (状态报告). `wait`: it says nothing final."""

    action: Literal["delivered", "failed", "gone", "wait"]
    why: str = ""


RULES: dict[str, Rule] = {
    "BUSY": Rule("retry", "the SMS gateway is busy"),
    "RATE": Rule("retry", "too many messages this second", 5.0, for_all=True),
    "SIGNATURE": Rule("retry", "the SMS gateway refuses our signature", OPERATOR_RETRY_S, for_all=True),
    "CLOCK": Rule("retry", "our clock and the SMS gateway's differ", OPERATOR_RETRY_S, for_all=True),
    "ACCOUNT": Rule("retry", "the SMS account is closed", OPERATOR_RETRY_S, for_all=True),
    "BALANCE": Rule("retry", "the SMS account has no money left", OPERATOR_RETRY_S, for_all=True),
    "QUOTA": Rule("retry", "today's quota of the SMS account is used up", 3600.0, for_all=True),
    "SIGN": Rule("retry", "the sign of our messages is not approved", OPERATOR_RETRY_S, for_all=True),
    "TEMPLATE": Rule("retry", "the SMS template is not approved", OPERATOR_RETRY_S),
    "LIMIT": Rule("retry", "this number had too many messages of one kind today", 3600.0),
    "VARIABLE": Rule("dead", "a variable breaks the rules of its SMS template"),
    "LENGTH": Rule("dead", "the text message is too long"),
    "CONTENT": Rule("dead", "the SMS gateway refuses these words"),
    "REQUEST": Rule("dead", "the SMS gateway cannot read the message"),
    "NUMBER": Rule("gone", "this is no telephone number"),
    "STOPPED": Rule("gone", "the resident has unsubscribed at the SMS gateway"),
}
UNLISTED = Rule("dead", "the SMS gateway refuses with a code we do not know")

# The seven of the common gateway protocols (CMPP, SMPP), then the carriers' own, which vary by province.
REPORTS: dict[str, Report] = {
    "DELIVRD": Report("delivered"),
    "ACCEPTD": Report("wait"),
    "ENROUTE": Report("wait"),
    "UNKNOWN": Report("wait"),
    "EXPIRED": Report("failed", "the phone was off until the message ran out"),
    "DELETED": Report("failed", "the carrier deleted the message"),
    "UNDELIV": Report("failed", "the carrier could not deliver the message"),
    "REJECTD": Report("failed", "the carrier refuses the message"),
    "MK:0001": Report("gone", "this number is not in use"),
    "MK:0000": Report("gone", "this number is not in use"),
    "MK:0005": Report("failed", "the phone was off until the message ran out"),
    "MK:0012": Report("failed", "the resident's phone is suspended"),
    "MI:0013": Report("failed", "the resident's phone is suspended"),
    "MI:0024": Report("failed", "the phone was off until the message ran out"),
    "MB:0077": Report("failed", "the resident gets too many messages"),
    "BLACK": Report("gone", "the resident has unsubscribed at the SMS gateway"),
}
UNLISTED_REPORT = Report("failed", "the carrier reports a code we do not know")


def rule_for(code: str) -> Rule:
    return RULES.get(code, UNLISTED)


def report_for(code: str) -> Report:
    return REPORTS.get(code.strip().upper(), UNLISTED_REPORT)


def outcome_of(code: str) -> Outcome:
    rule = rule_for(code)
    if rule.action == "gone":
        return AddressGone(rule.why, code)
    if rule.action == "dead":
        return Dead(rule.why, code)
    return Retry(rule.after_s, rule.why, code)
