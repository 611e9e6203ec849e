"""What an account may publish and subscribe to. Deny by default; deny wins; a filter is granted only if EVERY topic it
can match is allowed (comparing patterns level by level, not as strings: a rule `d/+` must not grant `d/#`)."""

from __future__ import annotations

from collections.abc import Iterable

from hub.broker.topics import levels_match

# A gateway publishes to a few topics for ever; one that invents topics must not fill the memory.
ANSWERS_REMEMBERED_MAX = 1_024


class Acl:
    def __init__(self, allow: Iterable[str], deny: Iterable[str] = ()) -> None:
        self._allow = [rule.split("/") for rule in allow]
        self._deny = [rule.split("/") for rule in deny]
        self._answers: dict[str, bool] = {}

    def allowed(self, topic: str) -> bool:
        answer = self._answers.get(topic)
        if answer is None:
            if len(self._answers) >= ANSWERS_REMEMBERED_MAX:
                self._answers.clear()
            levels = topic.split("/")
            answer = not any(levels_match(rule, levels) for rule in self._deny) and any(
                levels_match(rule, levels) for rule in self._allow
            )
            self._answers[topic] = answer
        return answer

    def granted(self, name: str) -> bool:
        """One rule must cover the whole filter, and no denied topic may lie inside it. A filter that only several
        rules together would cover is refused: that errs on the safe side."""
        levels = name.split("/")
        return not any(overlaps(rule, levels) for rule in self._deny) and any(
            covers(rule, levels) for rule in self._allow
        )


def covers(rule: list[str], wanted: list[str]) -> bool:
    """Whether every topic that matches `wanted` also matches `rule`."""
    if wanted[0].startswith("$") and rule[0] in ("+", "#"):
        return False
    for place, level in enumerate(rule):
        if level == "#":
            return True
        if place >= len(wanted) or wanted[place] == "#":
            return False
        if level not in ("+", wanted[place]):
            return False
    return len(rule) == len(wanted)


def overlaps(one: list[str], other: list[str]) -> bool:
    """Whether some topic matches both filters."""
    for mine, theirs in ((one, other), (other, one)):
        if theirs[0].startswith("$") and mine[0] in ("+", "#"):
            return False
    for place in range(max(len(one), len(other))):
        left = one[place] if place < len(one) else None
        right = other[place] if place < len(other) else None
        if "#" in (left, right):
            return True
        if left is None or right is None:
            return False
        if left != right and "+" not in (left, right):
            return False
    return True
