"""The JSON API drafts all that the desk's composer can: fields of kinds, files, a narrowed audience, a ladder."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.notices.office_app import make_shell
from tests.notices.pictures import PLACE, exif, jpeg, pdf, png
from tests.notices.test_notice_pages import Place
from tests.web.shell_world import running
from tests.world import LIUHE, TAYING

AT = "/api/v1/notices"
FIELDS = {"begin": "2026-11-23T08:00", "end": "2026-11-23T18:00", "reason": "管道检修", "place": "1栋"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    office, shell = make_shell(tmp_path_factory.mktemp("api"), inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for client in made.clients:
            client.close()


def body(**more: Any) -> dict[str, Any]:
    return {"kind": "water", "title": "停水通知", "audience": {"areas": [LIUHE]}, "text": "明天停水。"} | more


def file(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(content).decode()}


def test_the_fields_of_a_kind_make_the_text_as_in_the_composer(place: Place) -> None:
    made = place.api("staff").post(AT, json=body(text="", title="", fields=FIELDS))
    assert made.status_code == 201, made.text
    said = made.json()
    assert "11月23日8:00至18:00" in said["text"]
    assert "管道检修" in said["text"]
    assert said["title"]
    assert (said["fields"]["reason"], said["expires"][:16]) == ("管道检修", "2026-11-23T10:00")


def test_files_come_with_the_draft_or_after_it_and_lose_where_they_were_taken(place: Place) -> None:
    http = place.api("staff")
    made = http.post(AT, json=body(files=[file("照片.jpg", jpeg(exif(6))), file("plan.pdf", pdf())]))
    assert made.status_code == 201, made.text
    said = made.json()
    assert [(each["name"], each["type"]) for each in said["files"]] == [
        ("照片.jpg", "image/jpeg"), ("plan.pdf", "application/pdf"),
    ]  # fmt: skip
    more = http.post(f"{AT}/{said['id']}/files", files={"file": ("map.png", png(), "image/png")})
    assert (more.status_code, len(more.json()["files"])) == (201, 3)
    http.post(f"{AT}/{said['id']}/release")
    kept = place.client().get(said["files"][0]["url"])
    assert kept.status_code == 200
    assert PLACE not in kept.content


def test_the_audience_may_be_stairs_homes_marks_and_roles_and_the_ladder_another_s(place: Place) -> None:
    http = place.api("staff")
    to = {"areas": [LIUHE], "stairs": ["lh-b1/1"], "households": ["h-wang"], "tags": ["alone"], "roles": ["resident"]}
    made = http.post(AT, json=body(audience=to, ladder="urgent"))
    assert made.status_code == 201, made.text
    said = made.json()
    assert {name: said["audience"][name] for name in to} == to
    assert said["ladder"] == "urgent"
    assert http.get(f"{AT}/{said['id']}").json()["ladder"] == "urgent"


def test_a_released_notice_is_corrected_by_one_and_an_urgent_one_by_two(place: Place) -> None:
    one, other = place.api("staff"), place.api("director")
    made = one.post(AT, json=body()).json()["id"]
    one.post(f"{AT}/{made}/release")
    again = one.post(f"{AT}/{made}/correct", json=body(text="后天停水。"))
    assert (again.status_code, again.json()["revision"], again.json()["state"]) == (201, 2, "released")
    waits = one.post(f"{AT}/{made}/correct", json=body(text="今晚停水。", priority="urgent")).json()
    assert (waits["state"], waits["corrects"]) == ("draft", made)
    one.post(f"{AT}/{waits['id']}/approve")
    done = other.post(f"{AT}/{waits['id']}/release").json()
    assert (done["id"], done["revision"], done["priority"]) == (made, 3, "urgent")


@pytest.mark.parametrize(
    ("wrong", "status", "names"),
    [
        ({"text": "", "fields": {"colour": "red"}}, 422, "colour"),
        ({"kind": "no-such-kind", "text": "", "fields": {"reason": "x"}}, 422, "reason"),
        ({"fields": FIELDS}, 422, ""),  # and a text
        ({"text": "", "fields": {**FIELDS, "end": "2026-11-23T07:00"}}, 422, ""),
        ({"text": "", "fields": {**FIELDS, "begin": "tomorrow"}}, 422, ""),
        ({"text": "", "fields": {"reason": 5}}, 422, ""),
        ({"files": [{"name": "a.png", "content": "not base64!"}]}, 422, ""),
        ({"files": [file("a.exe", b"MZ\x90\0")]}, 422, ""),
        ({"files": [file("a.pdf", pdf(b"/OpenAction<</JavaScript(x)>>"))]}, 422, ""),
        ({"files": [file(f"{n}.png", png()) for n in range(6)]}, 422, ""),
        ({"ladder": "emergency"}, 422, ""),
        ({"ladder": "routine", "priority": "emergency"}, 422, ""),
        ({"contact": "call me"}, 422, "call me"),
        ({"audience": {"areas": [LIUHE], "stairs": ["elsewhere/1"]}}, 422, ""),
        ({"audience": {"areas": [LIUHE], "tags": ["A B"]}}, 422, ""),
        ({"audience": {"areas": [LIUHE], "roles": ["king"]}}, 422, ""),
        ({"audience": {"areas": [TAYING]}}, 403, ""),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    place: Place, wrong: dict[str, Any], status: int, names: str
) -> None:
    http = place.api("staff")
    before = http.get(AT).json()["items"]
    said = http.post(AT, json=body(**wrong))
    assert said.status_code == status, said.text
    assert said.headers["content-type"].startswith("application/problem+json")
    assert names in said.text
    assert http.get(AT).json()["items"] == before


def test_the_description_names_all_of_it(place: Place) -> None:
    spec = place.client().get("/api/v1/openapi.json").json()
    asked = spec["components"]["schemas"]["NoticeBody"]["properties"]
    assert {"fields", "files", "ladder", "audience"} <= asked.keys()
    assert spec["components"]["schemas"]["FileBody"]["properties"]["content"]["format"] == "base64"
    assert {"stairs", "households", "tags", "roles"} <= spec["components"]["schemas"]["AudienceBody"][
        "properties"
    ].keys()
    assert {f"{AT}/{{ident}}/files", f"{AT}/{{ident}}/correct"} <= spec["paths"].keys()
