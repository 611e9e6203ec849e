"""The simulated weather office speaks CAP that the hub takes, and nothing of it reaches a screen without two people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.civic.notices import cap_chain, cap_read, cards, warnings
from hub.civic.notices.cap import Alert
from simulators.cap_feed import WeatherSim, create_app
from simulators.far_end import serving
from simulators.weather_office import COLOURS, Office
from tests.notices.office import open_office
from tests.notices.test_warnings import bureau
from tests.world import DISTRICT, LIUHE, START, WAIT_S_MAX


def office(seed: str) -> Office:
    return Office("weather.example", "东宝区气象台", "Dongbao weather office", DISTRICT, "东宝区", seed)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_whatever_its_dice_say_every_message_is_read_and_the_chain_agrees_with_the_office(
    seed: int, minutes: list[int]
) -> None:
    speaks, now, heard = office(str(seed)), START, list[Alert]()
    for pause in minutes:
        now += timedelta(minutes=pause)
        said = speaks.speak(now)
        alert = cap_read.parse(speaks.document(said))
        assert (alert.kind, alert.status) == (said.kind, said.status)
        if alert.infos:
            assert alert.info("zh").severity == COLOURS[said.colour]
        heard.append(alert)
        standing = {each.identity.identifier for each in cap_chain.standing(heard, now)}
        assert standing == {each.identifier for each in speaks.standing}


def test_over_a_long_time_it_says_everything_there_is_to_say() -> None:
    speaks, now = office("1"), START
    for _ in range(300):
        now += timedelta(hours=1)
        speaks.speak(now)
    assert {each.colour for each in speaks.said} == set(COLOURS)
    assert {each.kind for each in speaks.said} == {"Alert", "Update", "Cancel"}
    assert {each.status for each in speaks.said} == {"Actual", "Exercise", "Test"}


def test_its_feed_is_taken_whole_and_shows_nothing_by_itself(tmp_path: Path) -> None:
    made = open_office(tmp_path, {})
    try:
        speaks = office("2")
        for hour in range(6):
            speaks.speak(START - timedelta(hours=6 - hour))
        speaks.say(START, "Alert", colour="红")
        rows = made.store.write_now(lambda tx: warnings.take_all(tx, bureau(made), speaks.feed()))
        assert len(rows) == 7
        assert made.store.read_now(lambda read: cards.overlay(read, LIUHE))["item"] is None
        assert made.store.read_now(lambda read: cards.whole(read, LIUHE))["items"] == []
        waiting = made.store.read_now(lambda read: warnings.waiting(read, [made.publisher.grants[0].area_path]))
        assert {each.alert.identity.identifier for each in waiting} == {each.identifier for each in speaks.standing}
    finally:
        made.store.close()


def test_it_can_be_made_to_speak_to_fail_and_is_asked_what_was_answered() -> None:
    async def go() -> None:
        # Nobody listens on port 9: what the hub did not take stays in the feed and in the list of answers.
        config = WeatherSim(office("3"), "http://127.0.0.1:9/cap", "t", every_s=0, now=lambda: START)
        async with serving(create_app(config)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as net:
            said = (await net.post("/sim/say", json={"colour": "橙"})).json()
            assert said["headline"].endswith("橙色预警")
            async with asyncio.timeout(WAIT_S_MAX):
                while not (tries := (await net.get("/sim/inbox")).json()["items"][0]["answers"]):
                    pass
            assert tries[0] == "ConnectError"
            assert (await net.post("/sim/say", json={"kind": "Cancel"})).json()["headline"].startswith("解除")
            assert (await net.post("/sim/say", json={"kind": "Cancel"})).status_code == 422
            assert (await net.post("/sim/mode", json={"mode": "5xx"})).json() == {"mode": "5xx"}
            assert (await net.get("/feed.atom")).status_code == 502
            assert (await net.post("/sim/mode", json={"mode": "ok"})).status_code == 200
            assert b"references" in (await net.get("/feed.atom")).content
            assert "橙色预警" in (await net.get("/")).text

    asyncio.run(go())


@pytest.mark.parametrize("asked", [{"colour": "紫"}, {"kind": "Shout"}, {"status": "Draft"}, {"kind": "Update"}])
def test_what_it_cannot_say_is_said_so(asked: dict[str, str]) -> None:
    async def go() -> None:
        config = WeatherSim(office("4"), "http://127.0.0.1:9/cap", "t", every_s=0)
        async with serving(create_app(config)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as net:
            assert (await net.post("/sim/say", json=asked)).status_code == 422

    asyncio.run(go())
