"""Foreign MQTT clients at our door, in both versions: each cell of the matrix is ok, or beyond that client.

`python -m tests.interop` prints the matrix beside mosquitto's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import needs
from tests.interop.matrix import ABILITIES, ALONE, VERSIONS, column
from tests.interop.place import ours

pytestmark = pytest.mark.anyio
GUESTS = [
    "paho-mqtt",
    "aiomqtt",
    "gmqtt",
    pytest.param("mosquitto clients", marks=needs("mosquitto_pub")),
    pytest.param("mqtt.js", marks=needs("mqtt_js")),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("guest", GUESTS)
async def test_a_foreign_client_finds_everything_it_needs(guest: str, version: int, tmp_path: Path) -> None:
    async with ours(tmp_path) as place:
        found = await column(guest, version, place)
    assert found == {ability: "-" if ability in ALONE.get(guest, set()) else "ok" for ability in ABILITIES}
