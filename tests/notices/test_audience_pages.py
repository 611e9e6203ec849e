"""The composer's audience box and the desk's marks: counts without names, and what is kept comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from sqlmodel import col, select

from hub import audience, login, preferences
from hub.civic.notices.models import Notice
from hub.directory import Resident
from tests.notices.office import NAMES, Office
from tests.notices.office_app import make_shell
from tests.web.shell_world import running
from tests.world import LIUHE


@dataclass
class Desk:
    office: Office
    client: httpx.Client
    csrf: str = ""

    def sign_in(self, kind: str, who: str) -> None:
        token = self.office.store.write_now(lambda tx: login.open_session(tx, kind, kind, who))
        self.client.cookies.clear()
        self.client.cookies.set(f"linli_{kind}", token)
        page = self.client.get("/me/ways" if kind == "resident" else "/desk").text
        self.csrf = page.split('name="csrf" value="')[1].split('"')[0]

    def post(self, path: str, data: dict[str, object]) -> str:
        reply = self.client.post(path, data={"csrf": self.csrf, **data})
        assert reply.status_code in (200, 400, 404, 409, 422), f"{reply.status_code} {reply.text[:300]}"
        return f"{reply.status_code} {reply.text}"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    office, shell = make_shell(tmp_path_factory.mktemp("desk"), inline=False)
    speaks = {"accept-language": "zh"}
    with (
        running(shell),
        httpx.Client(base_url=shell.url, trust_env=False, timeout=30, follow_redirects=True, headers=speaks) as client,
    ):
        yield Desk(office, client)


def test_the_box_counts_at_each_tick_names_nobody_and_says_what_no_screen_shows(desk: Desk) -> None:
    desk.sign_in("staff", "s-staff")
    whole = desk.post("/desk/audience", {"areas": LIUHE})
    assert "2户，共3人" in whole
    assert "1人没有联系渠道" in whole
    assert "电视、小屋屏幕和公告板都不显示" not in whole
    aged = desk.post("/desk/audience", {"areas": LIUHE, "to_tags": ["aged80"]})
    assert "1户，共1人" in aged
    assert "电视、小屋屏幕和公告板都不显示" in aged
    opened = desk.post("/desk/audience", {"areas": LIUHE, "to_open": "lh-b1", "to_homes": ["h-lin"]})
    assert "1户，共2人" in opened
    assert "1栋 102" in opened
    assert "data-audience-count" in desk.post("/desk/audience", {})
    assert not any(name in page for name in NAMES for page in (whole, aged, opened))


def test_what_is_ticked_is_kept_with_the_draft_and_ticked_again(desk: Desk) -> None:
    desk.sign_in("staff", "s-staff")
    words = {"title": "上门登记", "text": "请在家等候。", "priority": "routine", "kind": "general", "areas": LIUHE}
    ticked = {"to_tags": ["alone", "disabled"], "to_homes": ["h-wang"], "do": "keep"}
    assert "200" in desk.post("/desk/notices", {**words, **ticked})
    made = desk.office.store.read_now(
        lambda read: read.session.execute(select(Notice).where(col(Notice.title) == "上门登记")).scalar_one()
    )
    kept = audience.Audience.read(made.audience)
    assert (kept.tags, kept.households, made.everybody) == (("alone", "disabled"), ("h-wang",), False)
    again = desk.client.get(f"/desk/notices/{made.id}/edit").text
    assert again.count('name="to_tags" value="alone" checked') == 1
    assert again.count('name="to_homes" value="h-wang" checked') == 1


def test_marks_are_set_by_who_may_and_by_nobody_else(desk: Desk) -> None:
    def marks() -> str:
        return desk.office.store.read_now(lambda read: read.session.get_one(Resident, "r-lin").tags)

    desk.sign_in("staff", "s-staff")
    page = desk.client.get("/desk/marks?building=lh-b1").text
    assert "林**" in page
    assert not any(name in page for name in NAMES)
    assert "200" in desk.post("/desk/marks/r-lin", {"mark": ["volunteer", "veteran"]})
    assert marks().split() == ["veteran", "volunteer"]
    for who in ("s-grid", "s-operator", "s-publisher"):
        desk.sign_in("staff", who)
        assert desk.client.get("/desk/marks").status_code == 403
        assert desk.client.post("/desk/marks/r-lin", data={"csrf": desk.csrf, "mark": "disabled"}).status_code == 403
    assert marks().split() == ["veteran", "volunteer"]


def test_a_resident_keeps_their_wishes_and_hears_what_was_wrong(desk: Desk) -> None:
    def kept() -> tuple[object, ...]:
        row = desk.office.store.read_now(lambda read: preferences.of(read, "r-lin"))
        out = desk.office.store.read_now(lambda read: preferences.refused(read, "r-lin"))
        return row.own_quiet, row.quiet_start, row.quiet_end, row.zone, row.digest_at, out

    desk.sign_in("resident", "r-lin")
    form: dict[str, object] = {
        "want": ["wechat.news", "wechat.service", "wechat.health"], "quiet": "own", "start": "22:00", "end": "06:30",
        "zone": "Asia/Tokyo", "digest": "on", "digest_at": "18:30", "digest_channel": "wechat",
    }  # fmt: skip
    page = desk.post("/me/ways/wishes", form)
    assert "已保存" in page
    expected = (True, 22 * 60, 6 * 60 + 30, "Asia/Tokyo", 18 * 60 + 30, {("wechat", "points")})
    assert kept() == expected
    for wrong in (
        {"start": "25:00"},
        {"end": "22:00"},
        {"zone": "Mars/Olympus"},
        {"digest_at": "soon"},
        {"quiet": "x"},
    ):
        assert 'role="alert"' in desk.post("/me/ways/wishes", {**form, **wrong})
        assert kept() == expected
    assert 'value="wechat.points" checked' not in page
    assert 'value="wechat.news" checked' in page


def test_who_is_meant_reads_it_on_their_own_page_and_the_neighbour_does_not(desk: Desk) -> None:
    made = desk.office.released(audience=audience.Audience((LIUHE,), tags=("aged80",)), title="高龄津贴年审")
    for who, reads in (("r-wang", True), ("r-lin", False)):
        desk.sign_in("resident", who)
        page = desk.client.get("/notices").text
        assert (made.title in page) is reads
        assert made.title not in desk.client.get(f"/tv/{LIUHE}").text
