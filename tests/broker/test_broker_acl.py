"""Rights: a filter is granted only if every topic it can match is allowed; deny wins; `$` hides from wildcards."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.broker.acl import Acl, covers, overlaps
from hub.broker.topics import FilterTree, bad_filter, bad_topic, matches

LEVEL = st.sampled_from(["a", "b", "", "$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
STEM = st.lists(LEVEL | st.just("+"), max_size=3)
FILTER = st.builds(
    lambda stem, tail: "/".join([*stem, *tail]), STEM, st.sampled_from([["#"], ["+"], ["a"], []])
).filter(bool)
RULES = st.lists(FILTER, max_size=4)


@settings(max_examples=600)
@given(RULES, RULES, FILTER, TOPIC)
def test_a_granted_filter_never_matches_a_topic_that_is_not_allowed(
    allow: list[str], deny: list[str], name: str, topic: str
) -> None:
    acl = Acl(allow, deny)
    if acl.granted(name) and matches(name, topic):
        assert acl.allowed(topic)


@settings(max_examples=500)
@given(FILTER, FILTER, TOPIC)
def test_covers_and_overlaps_agree_with_matching(one: str, other: str, topic: str) -> None:
    if covers(one.split("/"), other.split("/")) and matches(other, topic):
        assert matches(one, topic)
    if matches(one, topic) and matches(other, topic):
        assert overlaps(one.split("/"), other.split("/"))
        assert overlaps(other.split("/"), one.split("/"))


@given(RULES, RULES, TOPIC)
def test_deny_wins_over_allow(allow: list[str], deny: list[str], topic: str) -> None:
    if any(matches(rule, topic) for rule in deny):
        assert not Acl(allow, deny).allowed(topic)


@given(FILTER)
def test_an_account_without_rules_may_nothing(name: str) -> None:
    assert not Acl(()).granted(name)


def test_a_rule_of_one_level_does_not_grant_the_whole_tree() -> None:
    """amqtt's bug (promises.md M5): `d/#` was allowed by the rule `d/+`."""
    acl = Acl(("d/+",))
    assert acl.granted("d/+")
    assert acl.granted("d/x")
    assert not acl.granted("d/#")
    assert not acl.granted("#")
    assert not acl.granted("+/x")


def test_a_gateways_own_tree_and_nothing_beside_it() -> None:
    acl = Acl(("linli/1/a/hut-1/dn/#",), ("linli/1/a/hut-1/dn/secret/#",))
    assert acl.granted("linli/1/a/hut-1/dn/bp-1/cmd/+")
    assert not acl.granted("linli/1/a/hut-1/dn/#")  # it would match what is denied
    assert not acl.granted("linli/1/a/+/dn/bp-1")
    assert not acl.granted("linli/1/a/hut-10/dn/#")


def test_matching_as_the_standard_tells_it() -> None:
    """4.7.1.2, 4.7.1.3, 4.7.2 and 4.7.3, example by example."""
    player = "sport/tennis/player1"
    assert matches(f"{player}/#", player)
    assert matches(f"{player}/#", f"{player}/score/wimbledon")
    assert matches("sport/#", "sport")
    assert matches("#", "sport/a")
    assert matches("sport/tennis/+", player)
    assert not matches("sport/tennis/+", f"{player}/ranking")
    assert not matches("sport/+", "sport")
    assert matches("sport/+", "sport/")
    assert matches("+/+", "/finance")
    assert matches("/+", "/finance")
    assert not matches("+", "/finance")
    assert not matches("#", "$SYS/x")
    assert not matches("+/monitor/Clients", "$SYS/monitor/Clients")
    assert matches("$SYS/#", "$SYS/x")
    assert not matches("ACCOUNTS", "Accounts")


@given(FILTER)
def test_filters_we_make_are_well_formed(name: str) -> None:
    assert bad_filter(name) is None


def test_malformed_names_are_told_apart() -> None:
    assert all(bad_filter(name) for name in ("", "a#", "#/a", "a/#/b", "a+", "+a/b"))
    assert all(bad_topic(name) for name in ("", "a/+", "#"))


@settings(max_examples=150)
@given(st.lists(st.tuples(FILTER, st.integers(0, 3)), max_size=12), st.sets(st.integers(0, 11)), TOPIC)
def test_the_tree_finds_exactly_what_matching_finds(
    added: list[tuple[str, int]], removed: set[int], topic: str
) -> None:
    tree: FilterTree[int, str] = FilterTree()
    kept = {}
    for name, key in added:
        tree.add(name, key, name)
        kept[name, key] = True
    tree.matching(topic)  # what it remembers now must not survive the removals
    for place in removed:
        if place < len(added):
            tree.remove(*added[place])
            kept.pop(added[place], None)
    expected = sorted((key, name) for name, key in kept if matches(name, topic))
    assert sorted(tree.matching(topic)) == expected
