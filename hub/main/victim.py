"""The hub that is unplugged: `linli serve` on a scratch folder, with gateways enough for 2,000 readings/s.

    python -m hub.main.victim FOLDER PORT

The first start makes the store and writes the gateways' passwords beside it; a later one finds what the dead one left.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hub import directory, registry
from hub.db import Tx
from hub.main import leash, serve, wiring
from hub.settings import load
from simulators.load import PROFILE

ACCOUNTS, DATA = "accounts.json", "data"
AREA = "420802002001"
GATEWAYS, CUFFS = 4, 4  # a cuff has 250 readings a second to tell apart (simulators/load.py): 4,000 together


def furnish(tx: Tx) -> list[str]:
    directory.found_area(tx, AREA, "community", "断电演示", "Unplugged")
    return cuffs(tx, AREA)


def cuffs(tx: Tx, area: str) -> list[str]:
    """Gateways with cuffs; gives their accounts as `simulators.load` reads them."""
    accounts = []
    for gateway in (f"dark-gw-{number}" for number in range(1, GATEWAYS + 1)):
        password = registry.add_gateway(tx, gateway, area)
        devices = [f"{gateway}-bp-{number}" for number in range(1, CUFFS + 1)]
        for device in devices:
            registry.add_device(tx, device, gateway, PROFILE)
        accounts.append(f"{gateway}:{password}:{area}:{','.join(devices)}")
    return accounts


def main(folder: Path, port: int) -> None:
    leash.hold()
    # Nothing from the environment: the visitor's own settings are for the visitor's own hub.
    settings = load({"data_dir": folder / DATA, "state_dir": folder, "mqtt_port": port, "log_level": "ERROR"}, {})
    if not (folder / ACCOUNTS).exists():
        store = wiring.open_store(settings)
        accounts = store.write_now(furnish)
        store.close()
        (folder / ACCOUNTS).touch(mode=0o600)
        (folder / ACCOUNTS).write_text(json.dumps(accounts), encoding="utf-8")
    serve.run(settings, roles=("front", "ingest"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
