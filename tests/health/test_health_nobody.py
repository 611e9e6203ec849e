"""What is no measurement of a person is tied to nobody, whoever sits there."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.codes import KINDS, of_person
from tests.health import hutrig
from tests.health.hutrig import WANG, Hut

CONTROL = bytes.fromhex("062d00ea07030f081e0537c04a")  # a control solution, 0.0055 mol/L


def test_a_control_solution_and_a_dying_battery_belong_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {kind for kind in KINDS if not of_person(kind)} == {"meal", "control", "cuff", "env", "battery", "info"}
    hut = Hut(tmp_path)
    monkeypatch.setitem(hutrig.CODECS, "battery", ("bp-1", "sig.2a19"))
    monkeypatch.setitem(hutrig.CODECS, "control", ("bp-1", "sig.2a18"))
    hut.visit(WANG)
    for kind, payload in (("battery", b"\x03"), ("control", CONTROL)):
        row = hut.reading(hut.send(kind, payload))
        assert (row.kind, row.person, row.bound_by) == (kind, None, "none")
    assert hut.reading(hut.measure()).person == "r-wang"
