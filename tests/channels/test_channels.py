"""The checks every channel passes; a new channel file is found and needs no test of its own here."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import channels
from channels.base import (
    RETRACTION,
    Address,
    Addressed,
    AddressGone,
    Channel,
    Dead,
    Delivery,
    Message,
    Outcome,
    Rendered,
    Retry,
)
from channels.proof import Exchange, Step
from hub.i18n import read_po

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
FOUND = channels.discover()
ADDRESSED = [name for name, file in FOUND.items() if file.EXCHANGES]
CASES = [
    pytest.param(name, exchange, id=f"{name}: {exchange.claim}")
    for name in ADDRESSED
    for exchange in FOUND[name].EXCHANGES
]
MESSAGE = Message(
    "n-1", 1, "routine", "notice", "停水通知", "今晚停水。", "浏河社区", "居委会", NOW, None, "https://linli.example/n"
)


class StandingClock:
    def now(self) -> datetime:
        return NOW


class FarEnd:
    """Plays one recorded exchange and notes what it was asked."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = list(steps)
        self.wrong: list[str] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if not self._steps:
            self.wrong.append(f"one question too many: {request.url.path}")
            return httpx.Response(500)
        step = self._steps.pop(0)
        wanted = not step.asks or step.asks.items() <= json.loads(request.content).items()  # not every body is JSON
        if request.url.path != step.path or not wanted:
            self.wrong.append(f"asked {request.url.path} {request.content!r}, not {step.path} {step.asks}")
        match step.fault:
            case "time-out":
                raise httpx.ReadTimeout("", request=request)
            case "refused":
                raise httpx.ConnectError("", request=request)
            case "reset":
                raise httpx.ReadError("", request=request)
        content = step.answer if isinstance(step.answer, str) else json.dumps(step.answer)
        return httpx.Response(step.status, headers=dict(step.headers), text=content)

    def verify(self) -> None:
        assert not self.wrong, self.wrong
        assert not self._steps, f"never asked: {self._steps}"


def example_config(name: str) -> dict[str, str]:
    return {setting.name: setting.example for setting in FOUND[name].SETTINGS}


def make(name: str, transport: httpx.MockTransport, config: Mapping[str, str] | None = None) -> Channel:
    return FOUND[name].create(config or example_config(name), httpx.AsyncClient(transport=transport), StandingClock())


def idle(name: str) -> Channel:
    return make(name, httpx.MockTransport(FarEnd(())))


def delivery(number: int = 1, kind: str = "wechat", address: str = "address-1") -> Delivery:
    return Delivery(f"d-{number}", f"n-1/1/person-{number}/{kind}", MESSAGE, Address(kind, address))


def play(name: str, exchange: Exchange, key: str = "") -> tuple[Outcome, FarEnd]:
    far_end = FarEnd(exchange.steps)
    channel = make(name, httpx.MockTransport(far_end))
    assert isinstance(channel, Addressed)
    one = delivery(kind=name, address=exchange.address)
    [outcome] = asyncio.run(channel.send([replace(one, idempotency_key=key or one.idempotency_key)]))
    return outcome, far_end


def test_the_folder_is_the_registry() -> None:
    assert {"screen", "tv", "wechat"} <= FOUND.keys()
    for name, file in FOUND.items():
        channel = idle(name)
        assert channel.name == name == file.CHANNEL_NAME
        assert channel.title
        assert channel.caps.shape == ("addressed" if isinstance(channel, Addressed) else "broadcast")
        assert bool(file.EXCHANGES) == isinstance(channel, Addressed), "an addressed channel brings exchanges"


@pytest.mark.parametrize(("name", "exchange"), CASES)
def test_a_recorded_exchange_yields_its_outcome(name: str, exchange: Exchange) -> None:
    outcome, far_end = play(name, exchange)
    assert outcome == exchange.outcome
    far_end.verify()


@pytest.mark.parametrize("name", ADDRESSED)
def test_time_outs_and_server_faults_are_retried_and_refused_requests_are_dead(name: str) -> None:
    kinds = {"time-out": False, "5xx": False, "4xx": False}
    for exchange in FOUND[name].EXCHANGES:
        last = exchange.steps[-1]
        if last.fault or last.status >= 500:
            assert isinstance(exchange.outcome, Retry)
            kinds["time-out" if last.fault else "5xx"] = True
        elif 400 <= last.status < 500 and last.status not in {408, 429}:
            # Not there (404, 410) may be the address's fault, not allowed (401, 403) our operator's: he can mend it.
            may = {404: (Dead, AddressGone), 410: (Dead, AddressGone), 401: (Dead, Retry), 403: (Dead, Retry)}
            assert isinstance(exchange.outcome, may.get(last.status, Dead))
            assert exchange.outcome.why
            kinds["4xx"] = kinds["4xx"] or isinstance(exchange.outcome, Dead)
    assert all(kinds.values()), f"no exchange recorded for {kinds}"


def test_a_file_laid_in_the_folder_is_a_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    (tmp_path / "pigeon_for_a_test.py").write_text("CHANNEL_NAME = 'pigeon'\n", encoding="utf-8")
    (tmp_path / "library_is_missing.py").write_text("import a_library_nobody_has\n", encoding="utf-8")
    assert channels.discover().keys() == FOUND.keys() | {"pigeon"}
    assert [record.getMessage() for record in caplog.records] == ["channel left out, its library is not installed"]
    (tmp_path / "pigeon_again_for_a_test.py").write_text("CHANNEL_NAME = 'pigeon'\n", encoding="utf-8")
    with pytest.raises(ValueError, match="two channel files"):
        channels.discover()


def test_every_reason_an_operator_may_read_has_a_chinese_translation() -> None:
    folder = Path(channels.__file__).parent
    known = read_po((folder / "locale" / "zh.po").read_text(encoding="utf-8"))
    said = {idle(name).title for name in FOUND}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Retry": 1, "Rule": 1, "Report": 1, "Dead": 0, "_Dead": 0, "AddressGone": 0, "Skip": 0}.get(
                    node.func.id
                )
                if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    said.add(node.args[place].value)  # type: ignore[attr-defined]
    assert len(said) > 40
    assert not said - known.keys()


@pytest.mark.parametrize("name", FOUND)
def test_examples_read_as_promised(name: str) -> None:
    assert FOUND[name].EXAMPLES
    for example in FOUND[name].EXAMPLES:
        assert idle(name).render(example.message, example.large) == example.reads


LIKELY = "停水通知，。（）12:30 \n\u0301\u200d👨👩🇨🇳"
AWKWARD = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(LIKELY)), max_size=300)


@pytest.mark.parametrize("name", FOUND)
@given(
    title=AWKWARD,
    text=AWKWARD,
    large=st.booleans(),
    kind=st.sampled_from(["notice", RETRACTION]),
    priority=st.sampled_from(["routine", "urgent", "drill"]),
    lang=st.sampled_from(["zh", "en"]),
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_written_the_limits_are_kept(
    name: str, title: str, text: str, large: bool, kind: str, priority: str, lang: str
) -> None:
    channel = idle(name)
    message = replace(MESSAGE, title=title, text=text, kind=kind, priority=priority, lang=lang)  # type: ignore[arg-type]
    rendered = channel.render(message, large)
    assert rendered == channel.render(message, large)
    if isinstance(rendered, Rendered):
        assert 0 < len(rendered.title) <= channel.caps.title_chars_max
        if not rendered.pages:
            assert len(rendered.body) <= channel.caps.body_chars_max
        for said in (rendered.title, rendered.body, *(value for _, value in rendered.fields)):
            said.encode()  # no half of a surrogate pair
            assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", said)


@pytest.mark.parametrize("name", ADDRESSED)
def test_secrets_are_in_no_repr_and_no_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [setting.example for setting in FOUND[name].SETTINGS if setting.secret]
    assert secrets
    said = [repr(FOUND[name].SETTINGS)]
    for exchange in FOUND[name].EXCHANGES:
        outcome, far_end = play(name, exchange)
        said += [repr(outcome), repr(delivery(address=exchange.address))]
        secrets += [exchange.address, *re.findall(r"https?://[^/]+(/[^\"]+)", exchange.address)]
        for step in exchange.steps:
            if isinstance(step.answer, dict) and "access_token" in step.answer:
                secrets.append(step.answer["access_token"])
        assert far_end.asked
    said.append(repr(idle(name)))
    said += [record.getMessage() for record in caplog.records]
    assert any("HTTP Request" in line for line in said), "httpx is expected to log, else this proves nothing"
    for secret in set(secrets):
        assert not [line for line in said if secret in line], secret


@pytest.mark.parametrize("name", ADDRESSED)
def test_the_idempotency_key_is_sent_and_stays_the_same_or_is_documented_as_absent(name: str) -> None:
    good = FOUND[name].EXCHANGES[0]
    if idle(name).caps.idempotency_window_s is not None:
        first, again = play(name, good)[1].asked[-1], play(name, good)[1].asked[-1]
        assert first.content == again.content
        assert play(name, good, "another")[1].asked[-1].content != first.content
