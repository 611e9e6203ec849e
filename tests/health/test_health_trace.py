"""Meters, scales and traces as they really speak: their own frames, all the way to the page."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Example, Strip
from devices.codecs import codec
from hub.civic.health import figures, trace
from hub.civic.health.figures import Shown
from hub.readings import RawFrame
from tests.health.hutrig import WANG, Hut
from tests.health.test_health_pages import ask


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def shown(hut: Hut, ident: str) -> Shown:
    return hut.store.read_now(lambda read: figures.shown(read, hut.reading(ident)))


def example(wire: str, words: str) -> bytes:
    found: list[Example] = [each for each in codec(wire).EXAMPLES if words in each.where]
    return found[0].payload


def test_a_meter_that_says_hi_is_urgent_and_shows_no_number(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.send("glucose", example("sig.2a18", 'shows "Hi"'))
    row = hut.reading(ident)
    if row.person is None:  # its clock says another year: then nobody's, and judged for whoever sits there
        hut.act(lambda tx: figures.readings.bind(tx, ident, "r-wang", "card", None))
    page = shown(hut, ident)
    assert [figure.text for figure in page.large] == ["Hi"]
    assert page.chief is not None
    assert page.chief.level == "urgent"


def test_a_trace_is_drawn_from_its_frame_and_only_for_its_owner(hut: Hut) -> None:
    hut.visit(WANG)
    ident = hut.send("ecg", example("linli.ecg", "six samples"))
    assert hut.reading(ident).person == "r-wang"
    assert not shown(hut, ident).failure

    async def asks(client: httpx.AsyncClient, _csrf: str) -> tuple[int, str]:
        answer = await client.get(f"/me/health/readings/{ident}/trace")
        return answer.status_code, answer.text

    code, page = ask(hut, "resident", "resident", "r-wang", asks)
    assert code == 200
    assert "health-curve" in page
    assert "I 导联" in page
    assert ask(hut, "resident", "resident", "r-lin", asks)[0] == 404

    def forget(tx: object) -> None:
        figures.readings.drop_raw(tx, [ident])  # type: ignore[arg-type]

    hut.act(forget)
    assert hut.store.read_now(lambda read: read.session.get(RawFrame, ident)) is None
    assert "波形已不再保存" in ask(hut, "resident", "resident", "r-wang", asks)[1]


@settings(max_examples=30)
@given(
    st.lists(st.integers(-32_000, 32_000), min_size=1, max_size=600),
    st.sampled_from([50, 250, 500]),
    st.integers(1, 10_000_000),
)
def test_a_curve_stays_on_its_paper_and_loses_no_second(samples: list[int], rate: int, scale: int) -> None:
    drawn = trace.draw(Strip("I", rate, scale, tuple(samples)))
    assert len(drawn.rows) == -(-len(samples) // (trace.ROW_S * rate))
    for row in drawn.rows:
        for point in row.points.split():
            x, y = (float(part) for part in point.split(","))
            assert 0 <= x <= drawn.width
            assert 0 <= y <= drawn.height
