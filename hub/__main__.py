"""`python -m hub`, and the installed script `linli`: see that it is our own house, then open it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOMS = ("devices", "channels", "hub", "web", "simulators")


def strangers() -> list[str]:
    """Rooms that an installed foreign package of the same name hides (PyPI has a `channels`, a `web` and a `hub`)."""
    home = Path(__file__).resolve().parent.parent
    wrong = []
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        places = list(spec.submodule_search_locations or []) if spec else []
        if [Path(place).resolve() for place in places] != [home / room]:
            wrong.append(f"{room} ({places[0] if places else 'not found'})")
    return wrong


def main() -> None:
    if wrong := strangers():
        sys.exit(f"linli: another package hides ours: {', '.join(wrong)}. Give Linli an environment of its own.")
    from hub.cli import main as run

    run()


if __name__ == "__main__":
    main()
