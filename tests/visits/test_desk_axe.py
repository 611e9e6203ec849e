"""The pages of sending, visits, marks and wishes have no axe finding and fit, on a telephone and on the desk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from hub import audience, breaker, quota
from hub.db import Tx
from tests.conftest import needs
from tests.visits.street import Street, a_street
from tests.web.shell_world import Shell
from tests.web.test_pages import DESK, PHONE, check

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWS = (
    ("/desk/letters", "staff", "s-staff", DESK),
    ("/desk/visits", "staff", "s-staff", DESK),
    ("/desk/marks", "staff", "s-staff", DESK),
    ("/visits", "staff", "s-feng", PHONE),
    ("/me/ways", "resident", "r-he", PHONE),
)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Street, Shell]]:
    with a_street(tmp_path_factory.mktemp("axe")) as found:
        yield found


def paused(tx: Tx) -> None:
    """Something to read on every page: a channel that is away, and whose menu does not stand."""
    breaker.begin(tx, "sms", quota.NONE)
    breaker.menu_said(tx, "sms", "the account has no right to this interface")
    audience.bind(tx, "r-he", "sms", "10012340000")


@needs("chromium")
def test_the_pages_of_sending_visits_marks_and_wishes_have_no_axe_finding(
    browser: Browser, place: tuple[Street, Shell]
) -> None:
    street, shell = place
    street.want("h-he", "r-he")
    street.want("h-su", None, priority="urgent")
    shell.write(paused)
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(30_000)
    page = context.new_page()
    for path, surface, ident, (width, height) in VIEWS:
        kind = "staff" if surface == "staff" else "resident"
        token = shell.token(surface, kind, ident)
        context.add_cookies([{"name": f"linli_{surface}", "value": token, "url": shell.url}])
        page.set_viewport_size({"width": width, "height": height})
        answer = page.goto(f"{shell.url}{path}")
        assert answer is not None
        assert answer.status == 200, path
        check(page, path, (width, height), 30 if surface == "staff" else 44)
    context.close()
