"""Topics: what is built is parsed back, and nothing else is ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import topics

ids = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
gateways = ids.filter(lambda text: text != "board")
codecs = st.from_regex(r"[a-z0-9.-]{1,64}", fullmatch=True).filter(lambda text: text not in ("pack", "done"))
KINDS = get_args(topics.Topic)

TABLE = {
    "linli/1/420802000000/lh-hut-1/up/bp-1/sig.2a35": topics.UpRaw("420802000000", "lh-hut-1", "bp-1", "sig.2a35"),
    "linli/1/a/g/up/d/pack": topics.UpPack("a", "g", "d"),
    "linli/1/a/g/up/d/done/7": topics.Done("a", "g", "d", "7"),
    "linli/1/a/g/birth": topics.Birth("a", "g"),
    "linli/1/a/g/state": topics.State("a", "g"),
    "linli/1/a/g/receipt": topics.Receipt("a", "g"),
    "linli/1/a/g/dn/d/cmd/7": topics.Cmd("a", "g", "d", "7"),
    "linli/1/a/g/twin/d/desired": topics.TwinDesired("a", "g", "d"),
    "linli/1/a/g/twin/d/reported": topics.TwinReported("a", "g", "d"),
    "linli/1/a/board": topics.Board("a"),
    "linli/1/hub/state": topics.HubState(),
}


@st.composite
def any_topic(draw: st.DrawFn) -> topics.Topic:
    kind: type[topics.Topic] = draw(st.sampled_from(KINDS))
    strategies = {"gateway": gateways, "codec": codecs}
    return kind(*(draw(strategies.get(each.name, ids)) for each in fields(kind)))


@pytest.mark.parametrize(("text", "topic"), TABLE.items())
def test_a_topic_of_the_contract_is_parsed_and_built(text: str, topic: topics.Topic) -> None:
    assert topics.parse(text) == topic
    assert str(topic) == text


def test_the_table_above_has_every_kind_of_topic() -> None:
    assert {type(topic) for topic in TABLE.values()} == set(KINDS)


@given(any_topic())
def test_building_then_parsing_is_identity(topic: topics.Topic) -> None:
    assert topics.parse(str(topic)) == topic


LEVELS = ["a", "g", "hub", "up", "pack", "done", "board", "state", "birth", "twin", "reported", "", "+", "#", "x.y"]


@given(st.lists(st.sampled_from(LEVELS)))
def test_parsing_then_building_is_identity(levels: list[str]) -> None:
    text = "/".join([topics.ROOT, *levels])
    topic = topics.parse(text)
    assert topic is None or str(topic) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linli",
        "linli/1",
        "linli/2/a/g/birth",
        "linli/1/a/board/state",
        "linli/1/a/board/up/d/sig.2a35",
        "linli/1/a/g/up/d/done",
        "linli/1/a/g/up/d/pack/1",
        "linli/1/a/g/up/d/done/7/8",
        "linli/1/a/g/up/d",
        "linli/1/a/g/up/d/",
        "linli/1/a/g/up/d/sig_2a35",
        "linli/1/a/g/up/d/SIG.2a35",
        "linli/1/a/g/up/+/sig.2a35",
        "linli/1/a/g/up/d/#",
        "linli/1/a/王/birth",
        "linli/1/a/g\n/birth",
        "linli/1/a/g/birth\n",
        "linli/1/" + "a" * 65 + "/g/birth",
        "/linli/1/a/g/birth",
        "linli/1/hub/state/",
        "home/gw/BTtoMQTT/AABBCC",
    ],
)
def test_anything_else_is_not_ours(text: str) -> None:
    assert topics.parse(text) is None


@pytest.mark.parametrize(
    ("build", "args"),
    [
        (topics.up, ("a", "board", "d", "sig.2a35")),
        (topics.up, ("a", "g", "d", "pack")),
        (topics.up, ("a", "g", "d", "done")),
        (topics.up, ("a", "g", "#", "sig.2a35")),
        (topics.birth, ("a", "g/state")),
        (topics.board, ("+",)),
        (topics.cmd, ("a", "g", "d", "")),
        (topics.twin_desired, ("a", "G", "d")),
    ],
)
def test_an_id_that_would_change_the_topic_is_refused(build: Callable[..., str], args: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot stand in a topic"):
        build(*args)


def test_the_builders_give_the_topics_of_the_contract() -> None:
    built = {
        topics.up("420802000000", "lh-hut-1", "bp-1", "sig.2a35"),
        topics.pack("a", "g", "d"),
        topics.done("a", "g", "d", "7"),
        topics.birth("a", "g"),
        topics.state("a", "g"),
        topics.receipt("a", "g"),
        topics.cmd("a", "g", "d", "7"),
        topics.twin_desired("a", "g", "d"),
        topics.twin_reported("a", "g", "d"),
        topics.board("a"),
        topics.HUB_STATE,
    }
    assert built == set(TABLE)


def test_a_gateway_account_stays_within_its_own_tree() -> None:
    assert topics.gateway_publishes("a", "g") == (
        "linli/1/a/g/up/#",
        "linli/1/a/g/birth",
        "linli/1/a/g/state",
        "linli/1/a/g/twin/+/reported",
    )
    assert topics.gateway_subscribes("a", "g") == (
        "linli/1/a/g/receipt",
        "linli/1/a/g/dn/#",
        "linli/1/a/g/twin/+/desired",
        "linli/1/a/board",
        "linli/1/hub/state",
    )
