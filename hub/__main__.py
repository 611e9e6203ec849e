"""`python -m hub`, and the installed script `linli`: see that it is our own house, then open it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOMS = ("devices", "channels", "hub", "web", "simulators")


def strangers() -> list[str]:
    """Rooms that are not ours: PyPI has a `channels`, a `web` and a `hub`, and an installed one hides ours."""
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
        sys.exit(
            f"linli: these are not Linli's own packages: {', '.join(wrong)}. "
            "Start ./linli from a whole checkout, or give the installed one an environment of its own."
        )
    from hub import garbage

    garbage.spare_start()
    # httpx brings a command line of its own along, and with it Pygments: 0.04 s for nothing.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from hub.cli import main as run

    run()


if __name__ == "__main__":
    main()
