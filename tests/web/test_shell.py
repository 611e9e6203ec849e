"""The shell's guards, sessions, languages and errors, over ASGI against a real store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from prometheus_client import CollectorRegistry, generate_latest

from hub import login
from hub.access import declarations
from hub.figures import HouseFigures
from tests.web.shell_world import PASSWORD, Shell, make_shell
from tests.world import LIUHE

pytestmark = pytest.mark.anyio
HOST = "http://localhost:8080"
Client = httpx.AsyncClient


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return make_shell(tmp_path)


@pytest.fixture
async def client(shell: Shell) -> AsyncIterator[Client]:
    async with client_of(shell) as made:
        yield made


def client_of(shell: Shell, base: str = HOST, **cookies: str) -> Client:
    headers = {"accept": "text/html", "origin": base, "accept-language": "zh-CN"}
    return Client(
        transport=httpx.ASGITransport(shell.app, raise_app_exceptions=False),
        base_url=base,
        headers=headers,
        cookies=cookies,
    )


async def csrf(client: Client, path: str) -> str:
    found = re.search(r'name="linli-csrf" content="([^"]*)"', (await client.get(path)).text)
    assert found
    return found[1]


def routes_of(app: Any) -> list[tuple[str, Any]]:
    return [(each.path, each) for each in iter_route_contexts(app.routes)]


def undeclared(app: Any) -> list[str]:
    return [path for path, route in routes_of(app) if not declarations(route)]


async def test_every_route_says_who_may_use_it(shell: Shell) -> None:
    assert len(routes_of(shell.app)) > 20
    assert undeclared(shell.app) == []


async def test_a_route_that_says_nothing_is_found(shell: Shell) -> None:
    stray = APIRouter()

    @stray.get("/stray")
    async def handler() -> None: ...

    shell.app.include_router(stray)
    assert undeclared(shell.app) == ["/stray"]


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nothing", "/static/web.css", "/healthz", "/tiny/broken", "/tv/420802002001", "/metrics"]
)
async def test_every_answer_carries_the_safe_headers(client: Client, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
    assert answer.headers["cache-control"]


async def test_refusals_of_the_guards_carry_them_too(shell: Shell) -> None:
    async with client_of(shell, "http://evil.example") as foreign:
        answer = await foreign.get("/")
    assert answer.status_code == 421
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_only_the_demo_may_be_framed_by_its_own_stage(tmp_path: Path) -> None:
    async with client_of(make_shell(tmp_path, demo=True)) as client:
        assert "frame-ancestors 'self'" in (await client.get("/")).headers["content-security-policy"]


async def test_no_page_has_anything_inline(shell: Shell) -> None:
    token = shell.token("staff", "staff", "s-staff")
    mine = shell.token("resident", "resident", "r-wang")
    async with client_of(shell, linli_staff=token, linli_resident=mine) as client:
        for path in ("/", "/me", "/login", "/desk/tiny", f"/tv/{LIUHE}", "/nothing", "/?area=" + LIUHE):
            text = (await client.get(path)).text
            assert not re.search(r"\sstyle\s*=", text), path
            assert not re.search(r"\son\w+\s*=", text), path
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
            assert "<style" not in text, path
            assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), path
            assert "javascript:" not in text, path


async def test_a_foreign_host_is_refused_and_a_configured_one_is_not(tmp_path: Path) -> None:
    shell = make_shell(tmp_path, config={"web.hosts": "linli.example"})
    async with client_of(shell, "http://linli.example") as named, client_of(shell, "http://other.example") as other:
        assert (await named.get("/")).status_code == 200
        assert (await other.get("/")).status_code == 421
        assert (await other.get("/healthz")).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999"])
async def test_what_writes_or_listens_must_come_from_our_own_page(client: Client, origin: str) -> None:
    assert (await client.post("/look", data={"mode": "elder"}, headers={"origin": origin})).status_code == 403
    answer = await client.get("/live/poll", params={"t": f"tiny.notes:{LIUHE}"}, headers={"origin": origin})
    assert answer.status_code == 403


async def test_a_form_needs_the_token_of_its_own_session(shell: Shell) -> None:
    async with client_of(shell, linli_staff=shell.token("staff", "staff", "s-staff")) as client:
        token = await csrf(client, "/desk/tiny")
        for wrong in ({}, {"csrf": ""}, {"csrf": token[:-1] + "x"}):
            assert (await client.post("/desk/tiny", data={"title": "a", **wrong})).status_code == 403
        assert shell.tiny.notes == []
        done = await client.post("/desk/tiny", data={"title": "停水", "csrf": token})
        assert (done.status_code, done.headers["location"]) == (303, "/desk/tiny")
        by_header = await client.post("/desk/tiny", data={"title": "来电"}, headers={"x-csrf": token})
        assert by_header.status_code == 303
    assert [note["title"] for note in shell.tiny.notes] == ["来电", "停水"]


async def test_a_machine_s_hook_needs_no_token(shell: Shell) -> None:
    async with client_of(shell, linli_resident=shell.token("resident", "resident", "r-wang")) as client:
        assert (await client.post("/signed/tiny", json={})).status_code == 200


async def test_each_surface_family_has_its_own_cookie(shell: Shell) -> None:
    cookies = {
        "linli_staff": shell.token("staff", "staff", "s-staff"),
        "linli_resident": shell.token("resident", "resident", "r-wang"),
        "linli_kiosk": shell.token("kiosk", "kiosk", "lh-1", LIUHE),
    }
    async with client_of(shell, **cookies) as client:
        assert (await client.get("/tiny-books")).text == "staff"
        assert (await client.get("/tiny")).status_code == 200
        assert (await client.get("/kiosk/lh-1")).status_code == 200
    async with client_of(shell, linli_resident=cookies["linli_staff"]) as thief:
        assert (await thief.get("/tiny")).status_code == 401
        assert (await thief.get("/desk/tiny")).status_code == 401


async def test_a_resident_may_not_see_the_desk_even_with_the_staff_cookie_s_name(shell: Shell) -> None:
    token = shell.token("staff", "resident", "r-wang")
    async with client_of(shell, linli_staff=token) as client:
        assert (await client.get("/desk/tiny")).status_code == 403


async def test_an_error_page_leads_who_is_signed_in_to_a_page_of_their_own(shell: Shell) -> None:
    homes = {}
    for surface, kind, ident, path in (
        ("staff", "staff", "s-staff", "/desk/nowhere"),
        ("staff", "resident", "r-wang", "/desk/tiny"),
        ("kiosk", "kiosk", "lh-1", "/kiosk/nowhere/at-all"),
    ):
        async with client_of(shell, **{f"linli_{surface}": shell.token(surface, kind, ident)}) as client:
            page = (await client.get(path)).text
            homes[ident] = page[: page.index("回首页")].rpartition('href="')[2].partition('"')[0]
    async with client_of(shell) as nobody:
        assert 'href="/login?surface=staff"' in (await nobody.get("/desk/nowhere")).text
    assert homes == {"s-staff": "/desk/tiny", "r-wang": "/login?surface=staff", "lh-1": "/kiosk/lh-1"}


async def test_over_tls_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    shell = make_shell(tmp_path, config={"web.public_url": "https://linli.example"})
    async with client_of(shell, "https://linli.example") as client:
        answer = await client.get("/login", params={"code": shell.code("resident", "resident", "r-wang")})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-linli_resident=")
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


async def test_a_one_time_code_opens_one_session_once(shell: Shell, client: Client) -> None:
    code = shell.code("staff", "staff", "s-staff")
    first = await client.get("/login", params={"code": code})
    assert (first.status_code, first.headers["location"]) == (303, "/desk/tiny")
    assert first.headers["referrer-policy"] == "no-referrer"
    assert (await client.get("/desk/tiny")).status_code == 200
    async with client_of(shell) as second:
        again = await second.get("/login", params={"code": code})
        assert again.status_code == 401
        assert 'role="alert"' in again.text
        assert "set-cookie" not in again.headers


async def test_a_kiosk_is_paired_by_its_link_and_the_address_is_clean(shell: Shell, client: Client) -> None:
    code = shell.code("kiosk", "kiosk", "lh-1", LIUHE)
    answer = await client.get("/kiosk/lh-1", params={"pair": code})
    assert (answer.status_code, answer.headers["location"]) == (303, "/kiosk/lh-1")
    assert (await client.get("/kiosk/lh-1")).status_code == 200
    async with client_of(shell) as other:
        assert (await other.get("/kiosk/lh-1", params={"pair": code})).status_code == 401
        assert (await other.get("/kiosk/lh-1")).status_code == 401


async def test_a_tv_box_gets_one_terminal_and_keeps_it(shell: Shell, client: Client) -> None:
    first = await client.get(f"/tv/{LIUHE}")
    assert "linli_tv" in first.headers["set-cookie"]
    assert "set-cookie" not in (await client.get(f"/tv/{LIUHE}")).headers
    assert (await client.get("/tv/420800000000")).status_code == 404
    assert (await client.get("/tv/nowhere")).status_code == 404


@pytest.mark.parametrize(("name", "home"), [("s-staff", "/desk/tiny"), ("10012345678", "/")])
async def test_the_right_password_opens_the_right_house(shell: Shell, client: Client, name: str, home: str) -> None:
    old = shell.token("staff" if home != "/" else "resident", "staff", "s-staff")
    client.cookies.set("linli_staff" if home != "/" else "linli_resident", old)
    surface = "staff" if home != "/" else "resident"
    token = await csrf(client, f"/login?surface={surface}")
    form = {"name": name, "password": PASSWORD, "csrf": token}
    answer = await client.post(f"/login?surface={surface}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, home)
    assert shell.store.read_now(lambda read: login.subject_of(read, old, surface)) is None  # rotated


async def test_a_wrong_password_says_one_sentence_and_ten_are_too_many(client: Client) -> None:
    for _attempt in range(login.TRIES_MAX):
        answer = await client.post("/login?surface=staff", data={"name": "s-staff", "password": "wrong"})
        assert answer.status_code == 401
        assert "账号或密码不对" in answer.text
        assert "set-cookie" not in answer.headers
    refused = await client.post("/login?surface=staff", data={"name": "s-staff", "password": PASSWORD})
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"


async def test_signing_out_ends_the_session_at_once(shell: Shell) -> None:
    token = shell.token("resident", "resident", "r-wang")
    async with client_of(shell, linli_resident=token) as client:
        answer = await client.post("/logout?surface=resident", data={"csrf": await csrf(client, "/me")})
        assert answer.status_code == 303
        client.cookies.set("linli_resident", token)
        assert (await client.get("/me")).status_code == 401


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "/a\r\nX: 1"])
async def test_signing_in_sends_nobody_to_another_house(shell: Shell, client: Client, path: str) -> None:
    answer = await client.get("/login", params={"code": shell.code("resident", "resident", "r-wang"), "next": path})
    assert answer.headers["location"] == "/"


async def test_who_is_not_signed_in_gets_the_form_and_then_the_page(client: Client) -> None:
    asked = await client.get("/desk/tiny")
    assert asked.status_code == 401
    assert 'name="next" value="/desk/tiny"' in asked.text
    assert "工作人员登录" in asked.text


async def test_a_bearer_token_speaks_for_itself(shell: Shell) -> None:
    token = shell.write(lambda tx: login.create_token(tx, "staff", LIUHE))
    async with client_of(shell) as client:
        headers = {"authorization": f"Bearer {token}"}
        assert (await client.get("/api/v1/tiny", headers=headers)).json() == {"items": [], "after": None}
        assert (await client.post("/api/v1/tiny", headers=headers, json={})).status_code == 201  # no cookie, no CSRF
        unknown = await client.get("/api/v1/tiny", headers={"authorization": "Bearer nobody"})
        assert unknown.status_code == 401
        assert unknown.headers["content-type"] == "application/problem+json"
    async with client_of(shell, linli_resident=token) as thief:
        assert (await thief.get("/me")).status_code == 401  # a token is no resident


Problem = Callable[[Client], Awaitable[httpx.Response]]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda client: client.get("/api/v1/nothing"), 404),
        (lambda client: client.put("/api/v1/tiny"), 405),
        (lambda client: client.get("/api/v1/tiny", headers={"authorization": "Bearer x"}), 401),
        (lambda client: client.get("/live/events"), 422),
        (lambda client: client.get("/tiny/conflict", headers={"accept": "application/json"}), 409),
    ],
)
async def test_programs_get_their_errors_as_problem_json(client: Client, ask: Problem, status: int) -> None:
    zh = await ask(client)
    client.headers["accept-language"] = "en"
    en = await ask(client)
    assert zh.status_code == en.status_code == status
    assert zh.headers["content-type"] == "application/problem+json"
    assert zh.json()["status"] == status
    assert zh.json()["detail"] != en.json()["detail"]


async def test_an_unknown_exception_tells_a_number_and_nothing_else(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/tiny/broken")
    assert answer.status_code == 500
    assert "王桂兰" not in answer.text
    assert "RuntimeError" not in answer.text
    number = re.search(r'<strong class="nowrap">(\w{8})</strong>', answer.text)
    assert number
    assert [record.__dict__["number"] for record in caplog.records if "number" in record.__dict__] == [number[1]]


async def test_a_body_that_is_too_large_is_refused_with_and_without_a_stated_length(client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _piece in range(40):
            yield b"x" * 50_000

    assert (await client.post("/look", content=b"x" * 1_100_000)).status_code == 413
    form = {"content-type": "application/x-www-form-urlencoded"}
    unstated = await client.post("/login", content=pieces(), headers=form)
    assert unstated.status_code == 413


async def test_the_language_is_asked_remembered_or_guessed(client: Client) -> None:
    assert 'lang="zh-CN"' in (await client.get("/")).text
    client.headers["accept-language"] = "fr, en;q=0.8, zh;q=0.2"
    assert 'lang="en"' in (await client.get("/")).text
    assert "登录" in (await client.get("/login?lang=zh")).text
    assert 'lang="zh-CN"' in (await client.get("/login")).text  # the cookie now
    client.headers["accept-language"] = "x;q=nonsense"
    client.cookies.clear()
    assert 'lang="zh-CN"' in (await client.get("/")).text


async def test_text_read_from_the_store_is_in_the_reader_s_language(tmp_path: Path) -> None:
    shell = make_shell(tmp_path, inline=False)
    async with client_of(shell, linli_resident=shell.token("resident", "resident", "r-wang")) as client:
        assert "王奶奶" in (await client.get("/")).text
        english = (await client.get("/?lang=en")).text
        assert "Liuhe" in english
        assert "王奶奶" not in english
    shell.store.close()


async def test_larger_type_is_a_form_that_works_without_script(client: Client) -> None:
    answer = await client.post("/look", data={"mode": "elder", "theme": "dark", "next": "/login"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    text = (await client.get("/login")).text
    assert 'data-mode="elder"' in text
    assert 'data-theme="dark"' in text
    await client.post("/look", data={"mode": "<script>", "theme": "pink"})
    assert 'data-mode="elder"' in (await client.get("/login")).text


@pytest.mark.parametrize(
    "title",
    ['<img src=x onerror="alert(1)">', "</title><script>alert(1)</script>", '" onmouseover="alert(1)', "{{ 7*7 }}"],
)
async def test_a_title_is_text_on_every_page_and_in_every_frame(shell: Shell, client: Client, title: str) -> None:
    shell.write(lambda tx: shell.tiny.note(tx, title, title))
    shell.tiny.emergency.append({"id": "e", "rev": 1, "title": title, "body": title, "drill": False})
    pages = [(await client.get(path)).text for path in ("/?area=" + LIUHE, f"/tv/{LIUHE}")]
    pages.append((await client.get("/live/poll", params={"t": f"tiny.notes:{LIUHE}"})).json()["html"])
    for text in pages:
        assert "<img src=x" not in text
        assert "alert(1)</script>" not in text
        assert ' onmouseover="' not in text
        assert title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in text


async def test_a_form_inside_a_fragment_gets_the_reader_s_token_and_no_other(shell: Shell) -> None:
    async with client_of(shell, linli_resident=shell.token("resident", "resident", "r-wang")) as client:
        token = await csrf(client, "/me")
        field = f'action="/tiny-say" class="form"><input type="hidden" name="csrf" value="{token}">'
        assert field in (await client.get("/me")).text
        frame = await client.get("/live/poll", params={"t": f"tiny.form:{LIUHE}"})
    assert 'name="csrf" value=""' in frame.json()["html"]


async def test_polling_answers_304_without_drawing_or_reading(shell: Shell, client: Client) -> None:
    shell.write(lambda tx: shell.tiny.note(tx, "停水"))
    ask = {"t": f"tiny.notes:{LIUHE}"}
    first = await client.get("/live/poll", params=ask)
    tag, drawn = first.headers["etag"], shell.tiny.drawn
    shell.store._readers.dispose()
    shell.store.read = None  # type: ignore[method-assign, assignment] # whoever reads the store now fails
    for _again in range(3):
        answer = await client.get("/live/poll", params=ask, headers={"if-none-match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    assert shell.tiny.drawn == drawn


async def test_a_topic_of_another_household_is_not_there(shell: Shell) -> None:
    async with client_of(shell, linli_resident=shell.token("resident", "resident", "r-wang")) as client:
        assert (await client.get("/live/poll", params={"t": "tiny.purse:h-wang"})).status_code == 200
        for foreign in ("tiny.purse:h-lin", "tiny.purse:", "nothing:x", "tiny.purse"):
            assert (await client.get("/live/poll", params={"t": foreign})).status_code == 404


async def test_static_files_are_only_what_stands_on_the_shelf(client: Client) -> None:
    page = (await client.get("/login")).text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = await client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        again = await client.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/", "/static//etc/passwd"):
        assert (await client.get(path)).status_code == 404


async def test_the_app_can_be_installed_and_read_offline(client: Client) -> None:
    manifest = (await client.get("/manifest.webmanifest")).json()
    assert manifest["name"].startswith("邻里")
    assert (await client.get(manifest["icons"][0]["src"])).status_code == 200
    worker = (await client.get("/sw.js")).text
    assert "@" not in worker
    for address in re.findall(r'"(/static/[^"]+)"', worker):
        assert (await client.get(address)).status_code == 200


async def test_alive_ready_and_counted(shell: Shell, client: Client) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert "linli_live_viewers 0.0" in (await client.get("/metrics")).text
    with shell.store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE stamp")
    broken = await client.get("/readyz")
    assert broken.status_code == 503
    assert [reason.startswith("store: ") for reason in broken.json()["reasons"]] == [True]


async def test_a_job_that_is_restarted_is_named_and_takes_no_page_away(shell: Shell, client: Client) -> None:
    shell.services.down["notices.digest"] = "ValueError"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "down": {"notices.digest": "ValueError"}})
    registry = CollectorRegistry()
    registry.register(HouseFigures(shell.services))
    said = generate_latest(registry).decode()
    assert 'linli_job_down{job="notices.digest"} 1.0' in said
    assert re.search(r"^linli_disk_free_bytes [1-9]", said, re.MULTILINE)


async def test_programs_find_the_description_of_the_api(client: Client) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    assert list(described["paths"]) == ["/api/v1/tiny"]
    assert (await client.get("/docs")).status_code == 404
