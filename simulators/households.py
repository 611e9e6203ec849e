"""The 25 household types of domain.md 7 and who lives in each: exact counts first, chance only inside a type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.chance import between, draw


@dataclass(frozen=True, slots=True)
class HouseholdType:
    """`members` names each person's part: h head, s spouse of the head, c child 0-13, t teen 14-17, y grown-up child,
    o another adult, e parent 60-79 of the head, f that parent's spouse, g the oldest (80+). Elder households are
    headed by an elder: H 60-79 or G 80+, with S (60-79) or Z (80+) the spouse. `head` bounds the head's age."""

    id: str
    zh: str
    count: int  # in 浏河
    members: str
    head: tuple[int, int]

    @property
    def size(self) -> int:
        return len(self.members)


TYPES = (
    HouseholdType("elder-alone", "独居老人 60-79", 150, "H", (60, 79)),
    HouseholdType("aged-alone", "独居高龄 80+", 45, "G", (80, 94)),
    HouseholdType("adult-alone", "单身成人", 185, "h", (21, 59)),
    HouseholdType("elder-couple", "老年夫妇", 260, "HS", (60, 79)),
    HouseholdType("elder-aged-couple", "老年夫妇（一方80+）", 40, "HZ", (75, 79)),
    HouseholdType("aged-couple", "高龄夫妇", 20, "GZ", (80, 91)),
    HouseholdType("couple", "夫妻", 330, "hs", (23, 59)),
    HouseholdType("parent-child", "单亲+儿童", 60, "hc", (24, 44)),
    HouseholdType("parent-teen", "单亲+少年", 30, "ht", (39, 52)),
    HouseholdType("adult-elder", "成人+老人", 70, "he", (24, 55)),
    HouseholdType("couple-child", "夫妻+儿童", 330, "hsc", (26, 44)),
    HouseholdType("couple-teen", "夫妻+少年", 120, "hst", (41, 52)),
    HouseholdType("couple-elder", "夫妻+老人", 130, "hse", (28, 55)),
    HouseholdType("three-adults", "三成人", 140, "hsy", (46, 57)),
    HouseholdType("couple-two-children", "夫妻+二孩", 90, "hscc", (28, 44)),
    HouseholdType("couple-child-teen", "夫妻+儿童+少年", 60, "hsct", (41, 49)),
    HouseholdType("three-generations-4", "三代四口", 100, "hsec", (26, 44)),
    HouseholdType("couple-two-elders", "夫妻+双老", 40, "hsef", (28, 53)),
    HouseholdType("four-adults", "四成人", 70, "hsyy", (47, 57)),
    HouseholdType("three-adults-aged", "三成人+高龄", 40, "hsyg", (47, 57)),
    HouseholdType("three-generations-5", "三代五口", 100, "hsefc", (26, 44)),
    HouseholdType("three-generations-5-two", "三代五口二孩", 60, "hsetc", (41, 47)),
    HouseholdType("four-adults-aged", "四成人+高龄", 40, "hsyyg", (47, 57)),
    HouseholdType("three-generations-6", "三代六口", 60, "hsefcc", (26, 44)),
    HouseholdType("four-generations-6", "四代六口", 30, "hsoegc", (26, 38)),
)
RELATION = {
    "h": "head", "H": "head", "G": "head", "s": "spouse", "S": "spouse", "Z": "spouse", "c": "child", "t": "child",
    "y": "child", "o": "sibling", "e": "parent", "f": "parent", "g": "grandparent",
}  # fmt: skip


def apportion(weights: Sequence[int], seats: int) -> list[int]:
    """Largest remainder: whole numbers in proportion to `weights` that add up to `seats`; ties go to the earlier."""
    total = sum(weights)
    shares = [weight * seats // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(weights[i] * seats % total), i))
    for i in by_remainder[: seats - sum(shares)]:
        shares[i] += 1
    return shares


@dataclass(frozen=True, slots=True)
class Member:
    part: str
    age: int
    sex: str


def members(seed: str, community: str, i: int, kind: HouseholdType) -> list[Member]:
    """The people of household `i`: ages fit their part and each other (a parent is at least 22 years older)."""
    head_bits = draw(seed, community, "household", i, "head")
    head_age = between(*kind.head, head_bits)
    # Women outlive men: about three of four who live alone past 80.
    women_of_8 = 6 if kind.members == "G" else 4
    head_sex = "f" if (head_bits >> 40) % 8 < women_of_8 else "m"
    other = {"f": "m", "m": "f"}[head_sex]
    found = [Member(kind.members[0], head_age, head_sex)]
    youngest_parent, elder_age, elder_sex = head_age, head_age, "f"
    for place, part in enumerate(kind.members[1:], start=1):
        bits = draw(seed, community, "household", i, f"member-{place}")
        sex = "f" if (bits >> 40) & 1 else "m"
        low, high = _age_span(part, head_age, youngest_parent, elder_age)
        age = between(low, high, bits)
        if part in "sSZ":
            sex = other
            youngest_parent = min(youngest_parent, age)
        elif part == "e":
            elder_age, elder_sex = age, sex
        elif part == "f":
            sex = "m" if elder_sex == "f" else "f"
        found.append(Member(part, age, sex))
    return found


def _age_span(part: str, head: int, youngest_parent: int, elder: int) -> tuple[int, int]:
    if part == "s":
        return max(22, head - 3), min(59, head + 3)
    if part == "S":
        return max(60, head - 4), min(79, head + 4)
    if part == "Z":
        return max(80, head - 4), max(82, head + 4)
    if part == "c":
        return 0, min(13, youngest_parent - 22)
    if part == "t":
        return 14, min(17, youngest_parent - 22)
    if part == "y":
        return 18, min(34, youngest_parent - 22)
    if part == "o":
        return max(18, head - 8), head + 3
    if part == "e":
        return max(60, head + 22), min(79, max(62, head + 36))
    if part == "f":
        return max(60, elder - 4, head + 21), min(79, elder + 4)
    # The oldest of the house is at least 18 years older than its elder, or than the head where there is none.
    return max(80, elder + 18), max(86, elder + 22)
