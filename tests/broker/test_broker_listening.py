"""Where the embedded broker listens: this machine alone unless told, never in clear on a network by accident."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import doctor
from hub.broker import listening
from hub.broker import packets as p
from hub.main import wiring
from hub.main.running import Running
from hub.settings import Settings, SettingsError
from tests.broker.sockets import call, dial
from tests.broker.test_broker_tls import certificate

pytestmark = pytest.mark.anyio
HOSTS = st.sampled_from(["127.0.0.1", "127.9.9.9", "::1", "localhost", "", "0.0.0.0", "::", "10.1.2.3", "hub.example"])  # noqa: S104
LOCAL = {"127.0.0.1", "127.9.9.9", "::1", "localhost"}
PORTS = st.sampled_from([-1, 0, 1883])


@given(HOSTS, PORTS, HOSTS, PORTS, st.booleans(), HOSTS, PORTS, PORTS)
def test_nothing_listens_in_clear_on_a_network_unless_the_operator_says_so(
    host: str, port: int, ws_host: str, ws_port: int, trusted: bool, tls_host: str, tls_port: int, wss_port: int
) -> None:
    settings = Settings(
        mqtt_host=host,
        mqtt_port=port,
        mqtt_ws_host=ws_host,
        mqtt_ws_port=ws_port,
        mqtt_plaintext="anywhere" if trusted else "loopback",
        mqtt_tls_cert="pair.pem",
        mqtt_tls_host=tls_host,
        mqtt_tls_port=tls_port,
        mqtt_tls_ws_port=wss_port,
    )
    exposed = (port >= 0 and host not in LOCAL) or (ws_port >= 0 and ws_host not in LOCAL)
    if exposed and not trusted:
        with pytest.raises(SettingsError, match="without TLS"):
            listening.listeners(settings)
        return
    names = [name for name, at in (("mqtt", port), ("ws", ws_port), ("mqtts", tls_port), ("wss", wss_port)) if at >= 0]
    assert [each.name for each in listening.listeners(settings)] == names


def test_out_of_the_box_only_this_machine_reaches_one_listener() -> None:
    (only,) = listening.listeners(Settings())
    assert (only.name, only.host, only.tls, only.websocket) == ("mqtt", "127.0.0.1", False, False)
    assert listening.context(Settings()) is None


def test_a_mistake_is_one_sentence_that_names_the_knob(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mqtt_plaintext must be one of loopback, anywhere"):
        listening.listeners(Settings(mqtt_plaintext="yes"))
    with pytest.raises(SettingsError, match=r"mqtt_tls_cert \(.*nowhere.pem\) and its key cannot be used"):
        listening.context(Settings(mqtt_tls_cert=str(tmp_path / "nowhere.pem")))
    found = {each.what: each for each in doctor.examine(Settings(data_dir=tmp_path, mqtt_host="0.0.0.0"))}  # noqa: S104
    assert found["mqtt port"].level == "bad"
    assert "mqtt_tls_cert" in found["mqtt port"].says


async def test_a_hub_opens_all_four_each_answers_and_metrics_count_them(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    settings = Settings(
        data_dir=tmp_path / "data",
        state_dir=tmp_path,
        http_port=0,
        mqtt_port=0,
        mqtt_ws_port=0,
        mqtt_tls_cert=str(pair),
        mqtt_tls_port=0,
        mqtt_tls_ws_port=0,
    )
    hub = Running(wiring.services(settings))
    await hub.start(settings, ("front", "ingest", "web"))
    try:
        assert set(hub.mqtt_listeners) == {"mqtt", "ws", "mqtts", "wss"}
        trust = ssl.create_default_context(cafile=str(pair))
        for name, tls in (("ws", None), ("wss", trust)):
            async with dial(hub.mqtt_listeners[name][1], tls=tls) as (client, _):
                assert (await client.login("nobody", client_id="c")).reason == 0x86
        for name, tls in (("mqtt", None), ("mqtts", trust)):
            async with call(hub.mqtt_listeners[name][1], tls) as client:
                await client.send(p.Connect(5, "c", username="nobody", password=b"x"))
                assert await client.next() == p.Connack(False, 0x86)
        assert hub.http is not None
        async with httpx.AsyncClient() as browser:
            said = (await browser.get(f"{hub.http.url}/metrics")).text
        assert 'linli_broker_events_total{what="logins_refused"} 4.0' in said
        assert "linli_broker_stage 0.0" in said
    finally:
        await hub.finish()
