"""The public notices as feeds: valid to a parser of our own, cached by their content, gone with the notice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message
from hub.audience import Audience
from hub.civic.notices import desk, feeds
from hub.civic.notices.feeds import ATOM, Feed
from tests.notices.office_app import make_shell
from tests.notices.test_notice_pages import HOSTILE, Desk, Place
from tests.web.shell_world import running
from tests.world import LIUHE, TAYING

A = f"{{{ATOM}}}"
NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    office, shell = make_shell(tmp_path_factory.mktemp("feeds"), {"public_url": "https://linli.example"}, inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for client in made.clients:
            client.close()


def titles(reply: httpx.Response) -> list[str]:
    top = ElementTree.fromstring(reply.content)
    found = top.findall(f"{A}entry/{A}title") or top.findall("channel/item/title")
    return [each.text or "" for each in found]


def test_a_notice_is_in_the_feeds_while_it_holds_and_an_unchanged_feed_is_not_sent_twice(place: Place) -> None:
    anybody, paths = place.client(), [f"/feeds/{LIUHE}.atom", f"/feeds/{LIUHE}.rss"]
    made = place.office.released(title=HOSTILE[:50])
    place.office.released(title="只给独居老人", audience=Audience((LIUHE,), tags=("alone",)))
    for path in paths:
        reply = anybody.get(path)
        assert (reply.status_code, titles(reply)) == (200, [made.title])
        assert "public" in reply.headers["cache-control"]
        again = anybody.get(path, headers={"if-none-match": f'"other", W/{reply.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert titles(anybody.get(path.replace(LIUHE, TAYING))) == []
    before = {path: anybody.get(path).headers["etag"] for path in paths}
    place.office.store.write_now(lambda tx: desk.retract(tx, place.office.staff, made.id, "It was a mistake"))
    for path in paths:
        reply = anybody.get(path, headers={"if-none-match": before[path]})
        assert (reply.status_code, titles(reply)) == (200, [])


def test_the_notices_page_leads_to_its_feeds_and_nonsense_leads_nowhere(place: Place) -> None:
    html = Desk(place, "r-lin", "resident").get("/notices")
    assert f'href="/feeds/{LIUHE}.atom?lang=en"' in html
    assert f'href="/feeds/{LIUHE}.rss?lang=en"' in html
    anybody = place.client()
    for path in ("/feeds/1.atom", "/feeds/420802002999.rss", "/feeds/..%2f.atom"):
        assert anybody.get(path).status_code == 404


AWKWARD = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("<>&\"'\x00\x0b\ufffe]]>停水")), max_size=60
)


@given(st.lists(st.tuples(AWKWARD, AWKWARD, AWKWARD), max_size=4), st.sampled_from(["zh", "en"]))
@settings(max_examples=40, deadline=None)
def test_whatever_is_written_a_parser_reads_the_feed_and_finds_what_rfc_4287_asks_for(
    written: list[tuple[str, str, str]], lang: str
) -> None:
    items = tuple(
        Message(f"n-{place}", 1, "routine", "notice", title, text, "x", issuer, NOW, None, f"/n/n-{place}", lang)
        for place, (title, text, issuer) in enumerate(written)
    )
    feed = Feed(LIUHE, "浏河社区通知", lang, NOW, items)
    top = ElementTree.fromstring(feeds.atom(feed, "https://linli.example"))
    assert top.tag == f"{A}feed"
    for part in (top, *top.findall(f"{A}entry")):
        for name in ("id", "title", "updated"):
            assert len(part.findall(f"{A}{name}")) == 1
        assert datetime.fromisoformat(part.findtext(f"{A}updated") or "").tzinfo is not None
    assert len({each.findtext(f"{A}id") for each in top.findall(f"{A}entry")}) == len(items)
    assert all((each.findtext(f"{A}author/{A}name") or "").strip() for each in top.findall(f"{A}entry"))
    channel = ElementTree.fromstring(feeds.rss(feed, "https://linli.example")).find("channel")
    assert channel is not None
    assert [name for name in ("title", "link", "description") if not channel.findtext(name)] == []
    for each in channel.findall("item"):
        assert parsedate_to_datetime(each.findtext("pubDate") or "") == NOW
    assert feeds.atom(feed, "https://linli.example") == feeds.atom(feed, "https://linli.example")
