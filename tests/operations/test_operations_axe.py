"""The operator's pages have no axe finding and fit their screens; the handover is one sheet of A4."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import needs
from tests.operations.opsrig import HUT, Ops, running, token
from tests.operations.test_operations_calls import carried, raised, world
from tests.web.test_pages import check

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
DESK, PHONE = (1440, 900), (390, 844)
LOOKS = ((DESK, "zh", "normal"), (PHONE, "en", "normal"), (PHONE, "zh", "elder"), (DESK, "en", "elder"))


def paths(ops: Ops) -> tuple[str, ...]:
    alarm = raised(ops, f"gateway:{HUT}")
    ops.clock.advance(61)
    carried(ops)
    reading = ops.store.read_now(lambda read: str(read.session.connection().exec_driver_sql("SELECT id FROM reading")
                                                  .scalar()))  # fmt: skip
    every = (
        f"/operate/alarms/{alarm}", "/operate/devices/bp-1", "/operate/reach-me", f"/operate/work/place/{HUT}/offline",
        "/operate", "/operate/alarms", f"/frames/{reading}?surface=staff", f"/why/{alarm}?surface=staff",
        "/operate/readings", "/operate/handover", f"/operate/huts/{HUT}",
    )  # fmt: skip
    return every if LONG else every[1:2]


@needs("chromium")
def test_the_operators_pages_have_no_axe_finding_and_the_handover_is_one_sheet(
    browser: Browser, tmp_path: Path
) -> None:
    ops = world(tmp_path, inline=False)
    ops.busy_day()
    ops.say(HUT, "420802002001", "offline")
    wanted = paths(ops)
    with running(ops) as url:
        for size, lang, mode in LOOKS if LONG else LOOKS[2:3]:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            said = {"linli_staff": token(ops), "linli_lang": lang, "linli_mode": mode}
            context.add_cookies([{"name": name, "value": value, "url": url} for name, value in said.items()])
            page = context.new_page()
            for path in wanted:
                answer = page.goto(f"{url}{path}")
                assert answer is not None
                assert answer.status == 200, path
                check(page, f"{path} {size} {lang} {mode}", size, 24)
            if size == DESK or not LONG:
                page.goto(f"{url}/operate/handover")
                assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) == 1
            context.close()
    ops.store.close()
