"""What leaves by a webhook is signed and fresh, and goes only to an address that was looked at."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import webhook, webhook_net
from channels.base import Accepted, AddressGone, Dead, Retry
from channels.webhook import CloudEvent
from channels.webhook_net import Checked, ForbiddenAddress, fault_of, networks, open_to_us

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
SECRET = webhook.secret_of(bytes(range(32)))
EVENT = CloudEvent("e-1", "org.linli.notice.released.v1", "/linli", "n-1", NOW, {"notice": "n-1", "areas": ["4208"]})
INSIDE = (
    "127.0.0.1", "10.0.0.8", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
    "::1",
    "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.1.1.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::",
    "198.18.0.1", "255.255.255.255", "fe80::1%eth0", "not an address",
)  # fmt: skip


def test_the_event_is_a_cloud_event_and_the_same_bytes_on_every_try() -> None:
    said = json.loads(EVENT.body())
    assert said == {
        "specversion": "1.0", "id": "e-1", "type": "org.linli.notice.released.v1", "source": "/linli", "subject": "n-1",
        "time": "2026-11-22T01:30:00+00:00", "datacontenttype": "application/json",
        "data": {"notice": "n-1", "areas": ["4208"]},
    }  # fmt: skip
    assert EVENT.body() == EVENT.body()


def test_the_signature_covers_id_time_and_body() -> None:
    body = EVENT.body()
    head = webhook.headers(SECRET, "e-1", NOW, body)
    said = f"e-1.{int(NOW.timestamp())}.".encode() + body
    mark = base64.b64encode(hmac.new(bytes(range(32)), said, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{mark}"
    others = {
        webhook.signature(SECRET, ident, at, what)
        for ident, at, what in (
            ("e-2", int(NOW.timestamp()), body),
            ("e-1", 1, body),
            ("e-1", int(NOW.timestamp()), body + b" "),
        )
    }
    assert len(others) == 3
    assert mark not in "".join(others)


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_our_own_house_is_open(address: str) -> None:
    assert not open_to_us(address, ())


@given(st.ip_addresses())
@settings(max_examples=60, deadline=None)
def test_an_address_is_open_only_if_the_whole_world_has_it_or_an_operator_opened_it(address: object) -> None:
    plain = getattr(address, "ipv4_mapped", None) or ip_address(str(address))  # ::ffff:10.0.0.1 is 10.0.0.1
    assert open_to_us(str(address), networks(f"{plain}/{plain.max_prefixlen}"))
    if open_to_us(str(address), ()):
        assert plain.is_global


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/h", "ftp://example.org", "https://", "https://u:p@example.org/", "https://example.org/#x",
        "javascript:alert(1)", "https://exa mple.org", "https://例子.cn/", "https://example.org:99999/", "file:///etc/passwd",
        "http://10.2.0.1/h", "https://" + "a" * 600, "",
    ],
)  # fmt: skip
def test_what_is_no_address_for_a_webhook_is_said_at_once(url: str) -> None:
    assert fault_of(url, networks("10.1.0.0/16"))


def test_plain_http_is_for_an_opened_network_alone() -> None:
    assert fault_of("http://10.1.2.3:8080/h", networks("10.1.0.0/16")) == ""
    assert fault_of("https://example.org/hooks?a=b", ()) == ""


class Wire(httpx.AsyncBaseTransport):
    """Where the bytes would go out."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(204)


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], []])
async def test_a_name_that_leads_inside_is_not_connected_to(answer: Sequence[str]) -> None:
    wire = Wire()

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return answer

    async with httpx.AsyncClient(transport=Checked((), resolve, wire)) as net:
        with pytest.raises(ForbiddenAddress):
            await net.post("https://evil.example/")
        outcome = await webhook.deliver(net, "https://evil.example/", SECRET, "e-1", b"{}", NOW)
    assert wire.asked == []
    assert isinstance(outcome, Retry)
    assert outcome.code == "ForbiddenAddress"


async def test_the_name_is_asked_once_and_that_very_address_is_connected_to() -> None:
    wire, asked = Wire(), []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]  # what a rebinding name answers the second time

    async with httpx.AsyncClient(transport=Checked((), resolve, wire)) as net:
        await webhook.deliver(net, "https://hooks.example/a", SECRET, "e-1", b"{}", NOW)
    [sent] = wire.asked
    assert asked == ["hooks.example"]
    assert sent.url.host == "93.184.216.34"
    assert sent.headers["host"] == "hooks.example"
    assert sent.extensions["sni_hostname"] == "hooks.example"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, Accepted), (204, Accepted), (301, Dead), (307, Dead), (400, Dead), (401, Dead), (404, Dead),
     (410, AddressGone), (408, Retry), (429, Retry), (500, Retry), (503, Retry)],
)  # fmt: skip
async def test_each_answer_has_its_outcome(status: int, kind: type) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"location": "http://127.0.0.1/"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as net:
        assert isinstance(await webhook.deliver(net, "https://a.example/", SECRET, "e-1", b"{}", NOW), kind)


def test_a_client_made_for_webhooks_goes_through_the_look() -> None:
    net = webhook_net.client(())
    assert isinstance(net._transport, Checked)
    assert not net.follow_redirects
    assert not net.trust_env
