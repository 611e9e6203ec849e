"""A resident's own points at a hut's kiosk: behind card and PIN, of nobody else, and gone with the visit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import directory, registry
from hub.civic.health import kiosk
from hub.civic.points import kiosk_pages, ledger, tidings
from hub.civic.points.why import Why
from hub.db import Tx
from tests.points.hall import Hall, Visitor, a_hall
from tests.points.ledgers import account, issue
from tests.world import LIUHE

HUT = "lh-hut-1"
PLACE = "/kiosk/-/points"


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with a_hall(tmp_path) as made:
        made.shell.write(furnished)
        yield made


def furnished(tx: Tx) -> None:
    registry.found_hut(tx, HUT, LIUHE, "健康小屋", "Health hut")
    why = Why("award", "B01", "jingmen-46@1", tx.now().date())
    ledger.post(tx, issue(tx), account(tx, "person", "r-wang"), 640, "kiosk:wang", why)
    directory.give_consent(tx, "r-wang", kiosk.CONSENT_PURPOSE, kiosk.CONSENT_VERSION, "kiosk")


def at_kiosk(hall: Hall) -> Visitor:
    made = Visitor(hall.url, hall.shell.token("kiosk", "kiosk", HUT, area=LIUHE), "kiosk")
    hall.visitors.append(made)
    return made


def test_points_show_at_the_kiosk_after_card_and_pin_and_are_gone_with_the_visit(hall: Hall) -> None:
    glass, home = at_kiosk(hall), hall.enter("r-wang", "resident")
    assert "Show your card first" in glass.get(PLACE)  # nobody there: no name, no figure
    assert "Show your card first" in glass.post(PLACE, PLACE, 422, pin="4071")[0]
    hall.shell.write(lambda tx: kiosk.open_session(tx, HUT, card="LH-000001"))
    assert "no PIN yet" in glass.get(PLACE)
    assert "four digits" in home.post("/me/points/pin", "/me/points/pin", 422, digits="7777")[0]
    assert "The PIN is set" in home.post("/me/points/pin", "/me/points/pin", digits="4071")[0]
    assert "640" not in glass.get(PLACE)  # the card alone shows no entry
    assert "640" not in glass.post(PLACE, PLACE, 403, pin="1111")[0]
    seen, _path = glass.post(PLACE, PLACE, pin="4071")
    assert "640" in seen
    assert "General volunteering" in seen
    assert "桂兰" not in seen
    assert figure(hall) == 640
    touched: list[tuple[str, str]] = []
    hall.store.bus.observe(lambda _events, changed: touched.extend(changed))
    hall.shell.write(lambda tx: tidings.tell(tx, ["r-wang"], lambda: "x", lambda: "y"))
    assert (tidings.KIOSK, HUT) in touched  # what arrives during the visit is on the glass at once
    hall.shell.write(lambda tx: kiosk.end(tx, HUT))
    assert figure(hall) is None
    assert "640" not in glass.post(PLACE, PLACE, 422, pin="4071")[0]
    assert glass.http.get(PLACE).headers["cache-control"] == "no-store"


def figure(hall: Hall) -> int | None:
    found: int | None = hall.store.read_now(lambda read: kiosk_pages.figure(read, HUT)).get("balance")
    return found
