"""A notice's later life on the desk: fields to text, correction, files, cancelling, archive, copy, QR."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hub import reach
from hub.civic.notices import active, attachments, desk, kinds
from hub.civic.notices.models import Notice
from hub.reach import Proof
from tests.notices import pictures
from tests.notices.office_app import make_shell
from tests.notices.test_notice_pages import FORM, HOSTILE, Desk, Place
from tests.web.shell_world import running
from tests.world import LIUHE

WATER = kinds.every()["water"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    office, shell = make_shell(tmp_path_factory.mktemp("desk"), inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for each in made.clients:
            each.close()


@pytest.fixture(scope="module")
def staff(place: Place) -> Desk:
    return Desk(place, "s-staff")


def typed(place: Place, /, **changes: str) -> dict[str, str]:
    values = WATER.ready(place.office.clock.now().date() + timedelta(days=1)) | changes
    words = {"kind": "water", "priority": "important", "title": WATER.title, "title_en": WATER.title_en}
    return {**words, "mode": "fields", "areas": LIUHE, **{f"f_{name}": value for name, value in values.items()}}


def stored(place: Place, path: str) -> Notice:
    return place.office.store.read_now(lambda read: active.notice(read, path.rsplit("/", 1)[-1]))


def test_the_fields_become_the_text_in_both_languages_and_the_end_of_the_notice(place: Place, staff: Desk) -> None:
    shown, _path = staff.post(
        "/desk/notices/preview", "/desk/notices/new", **typed(place), show_lang="en", show_large="1"
    )
    for word in ("preview-large", "Place: buildings 2, 3 and 5.", "Billed as", 'value="2栋、3栋、5栋"'):
        assert word in shown
    _page, path = staff.post("/desk/notices", "/desk/notices/new", do="release", **typed(place))
    made = stored(place, path)
    assert made.template == WATER.template
    assert made.text.splitlines()[3] == "范围：2栋、3栋、5栋。"
    assert made.text_en.splitlines()[3] == "Place: buildings 2, 3 and 5."
    assert (made.state, made.expires.hour, made.expires.minute) == ("released", 10, 0)  # 18:00 in Shanghai


def test_one_sentence_says_what_is_wrong_and_every_field_stays(place: Place, staff: Desk) -> None:
    wrong = typed(place, end="2020-01-01T08:00", place="南门口<b>", place_en="south gate")
    page, _path = staff.post("/desk/notices", "/desk/notices/new", 422, **wrong)
    assert page.count("It ends before it begins: change the second time") == 2  # above the form and for the previews
    assert "南门口&lt;b&gt;" in page
    page, _path = staff.post("/desk/notices", "/desk/notices/new", 422, **typed(place), contact="ask Wang")
    assert "This is no telephone number: ask Wang" in page
    page, _path = staff.post("/desk/notices/preview", "/desk/notices/new", **typed(place), to="free")
    assert re.search(r'<textarea[^>]*name="text"[^>]*>尊敬的居民朋友：', page)
    assert 'name="f_place" value="2栋、3栋、5栋"' in page


def test_a_correction_shows_its_words_and_who_knows_only_the_old_one(place: Place, staff: Desk) -> None:
    _page, path = staff.post("/desk/notices", "/desk/notices/new", do="release", **typed(place))
    ident = path.rsplit("/", 1)[-1]

    def see(resident: str, revision: int) -> None:
        at = place.office.clock.now()
        proof = Proof(ident, revision, reach.resident_viewer(resident), "web", "seen", at)
        place.office.store.write_now(lambda tx: reach.record(tx, proof))

    see("r-wang", 1)
    see("r-lin", 1)
    moved = {**typed(place, place="2栋、3栋、6栋"), "notice": ident, "correct": "1"}
    shown, _path = staff.post("/desk/notices/preview", f"{path}/edit", **moved)
    assert "、<del>5</del><ins>6</ins>栋" in shown
    staff.post("/desk/notices", f"{path}/edit", do="release", **moved)
    assert (stored(place, path).revision, stored(place, path).state) == (2, "released")
    see("r-lin", 2)
    page = staff.get(f"{path}/versions")
    assert "、<del>5</del><ins>6</ins>栋" in page
    assert 'data-behind="1"' in page
    assert "seen by 2 people" in page
    reader = Desk(place, "r-lin", "resident").http
    assert "、<del>5</del><ins>6</ins>栋" in reader.get(f"/n/{ident}", headers={"accept-language": "zh"}).text
    staff.post(f"{path}/retract", path, reason="It was a mistake")
    staff.get(f"{path}/versions")
    page, _path = staff.post("/desk/notices", "/desk/notices/new", 409, **moved)
    assert "Only a released notice can be corrected" in page


def test_what_is_scheduled_is_listed_and_cancelled_before_anybody_sees_it(place: Place, staff: Desk) -> None:
    start = (place.office.clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    _page, path = staff.post("/desk/notices", "/desk/notices/new", do="release", **FORM, not_before=start)
    ident = path.rsplit("/", 1)[-1]
    assert f'data-scheduled="{ident}"' in staff.get("/desk")
    staff.post(f"{path}/unschedule", "/desk")
    assert f'data-scheduled="{ident}"' not in staff.get("/desk")
    assert stored(place, path).state == "retracted"
    assert "Cancelled before it began" in staff.get("/desk/archive")
    staff.post(f"{path}/unschedule", "/desk", 409)


def test_what_ended_is_found_exported_and_copied_as_new(place: Place, staff: Desk) -> None:
    other = Desk(place, "s-second")
    words = {**FORM, "title": "=HYPERLINK(1)寻猫100%", "text": "小区里走失一只猫。"}
    _page, path = staff.post("/desk/notices", "/desk/notices/new", do="release", **words)
    staff.post(f"{path}/retract", path, reason="The matter is settled")
    assert "寻猫" in other.get("/desk/archive?q=走失 猫&kind=water")
    for nothing in ("q=走失 狗", "q=100_", "kind=lost", "first=2099-01-01", "last=2001-01-01"):
        assert "寻猫" not in staff.get(f"/desk/archive?{nothing}")
    staff.get("/desk/archive?first=yesterday", 422)
    table = list(csv.reader(io.StringIO(staff.get("/desk/archive.csv?q=寻猫").removeprefix("\ufeff"))))
    assert [row[5] for row in table[1:]] == ["'=HYPERLINK(1)寻猫100%"]
    copied = staff.get(f"{path}/copy")
    assert 'value="=HYPERLINK(1)寻猫100%"' in copied
    assert 'name="notice" value=""' in copied
    ident = path.rsplit("/", 1)[-1]
    place.office.store.write_now(lambda tx: _archive(tx, ident))
    assert "no longer holds" in Desk(place, "r-wang", "resident").get(f"/n/{ident}", 410)


def _archive(tx: Any, ident: str) -> None:
    notice = active.notice(tx, ident)
    notice.ended_at = tx.now() - timedelta(days=31)
    tx.session.add(notice)
    tx.session.flush()
    desk.keep_time(tx)
    assert active.notice(tx, ident).state == "archived"


def test_a_file_goes_out_by_its_content_and_is_never_run(place: Place, staff: Desk) -> None:
    _page, path = staff.post("/desk/notices", "/desk/notices/new", do="keep", **FORM)
    ident, form = path.rsplit("/", 1)[-1], {"csrf": re.findall(r'name="csrf" value="(\w+)"', staff.get(path))[0]}
    evil = 'x"><script>.html'
    sent = [(evil, pictures.png((b"tEXt", b"a\0b")), "text/html"), ("范围.pdf", pictures.pdf(), "text/html")]
    for file in sent:
        assert staff.http.post(f"{path}/files", data=form, files={"file": file}).status_code == 200
    refused = staff.http.post(f"{path}/files", data=form, files={"file": ("a.png", b"<svg onload=x>", "image/png")})
    assert refused.status_code == 422
    kept = attachments.of(stored(place, path))
    assert [each.type for each in kept] == ["image/png", "application/pdf"]
    reader = place.client()
    for each in kept:
        assert reader.get(f"/n/{ident}/files/{each.digest}").status_code == 404  # a draft is nobody's
        assert reader.get(f"{path}/files/{each.digest}").status_code in (401, 403, 303)
    staff.post(f"{path}/release", path)
    page = Desk(place, "r-wang", "resident").get(f"/n/{ident}")
    for each in kept:
        got = reader.get(f"/n/{ident}/files/{each.digest}")
        assert (got.status_code, got.headers["content-type"]) == (200, each.type)
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert got.headers["content-disposition"].startswith("inline" if each.picture else "attachment")
        again = reader.get(f"/n/{ident}/files/{each.digest}", headers={"if-none-match": got.headers["etag"]})
        assert again.status_code == 304
        assert f"/n/{ident}/files/{each.digest}" in page
    assert "<script>." not in page
    staff.post(f"{path}/retract", path, reason="It was a mistake")
    assert reader.get(f"/n/{ident}/files/{kept[0].digest}").status_code == 404
    assert staff.http.get(f"{path}/files/{kept[0].digest}").status_code == 200  # evidence stays


def test_a_form_without_a_file_stays_small_and_a_file_stays_bounded(place: Place, staff: Desk) -> None:
    large = b"x" * (2 << 20)
    assert staff.http.post("/desk/notices", content=large).status_code == 413
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert staff.http.post("/me/ways", content=large, headers=form).status_code == 413
    assert staff.http.post("/desk/notices/x/files", content=large * 5, headers=form).status_code == 413


def test_the_code_on_a_screen_leads_to_the_whole_text(place: Place, staff: Desk) -> None:
    made = place.office.released()
    got = place.client().get(f"/n/{made.id}/qr.png")
    assert (got.status_code, got.headers["content-type"], got.content[:4]) == (200, "image/png", b"\x89PNG")
    draft = place.office.draft()
    assert place.client().get(f"/n/{draft.id}/qr.png").status_code == 404
    for query in ("", "?size=a5&large=1", "?size=../x&text=xx"):
        assert "<svg" in staff.get(f"/desk/notices/{made.id}/poster{query}")


def test_hostile_fields_are_text_in_the_composer_and_its_previews(place: Place, staff: Desk) -> None:
    hostile = {name: HOSTILE for name in ("f_reason", "f_place", "f_place_en", "f_advice", "f_time", "f_time_en")}
    page, _path = staff.post("/desk/notices/preview", "/desk/notices/new", **{**typed(place), **hostile})
    assert page.count("&lt;script&gt;") > 6
    for mark in ("<script>alert", "<img src=x", "54439"):
        assert mark not in page
