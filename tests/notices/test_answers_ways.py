"""A resident answers by whatever is at hand: text message, WeChat, kiosk, a key of the TV, a grid worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from channels.base import Address, Callback, Inbound, Reply
from channels.sms_callback import Door
from channels.sms_sign import header
from channels.wechat_callback import Door as WechatDoor
from channels.wechat_crypto import MessageCipher, signature
from channels.wechat_xml import compose, parse
from hub import audience, login, outbox, reach
from hub.access import Subject
from hub.audience import Audience
from hub.audit import AuditRow
from hub.civic.notices import answers, behalf_pages, callback
from hub.civic.notices.message import message_of
from hub.civic.notices.models import Answer, Notice
from hub.db import Actor, Tx
from hub.errors import NotAllowed, NotFound
from hub.module import Module
from hub.outbox import Fanout, Outbox
from tests.notices.office import Office, open_office
from tests.notices.office_app import make_shell
from tests.web.shell_world import running
from tests.world import LIUHE, TAYING, staff

NUMBER, OPENID = "10012345678", "openid-wang"
WANG = Subject(id="r-wang", kind="resident", surface="resident", area=LIUHE)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path)
    made.store.write_now(lambda tx: audience.bind(tx, "r-wang", "sms", NUMBER))
    yield made
    made.store.close()


class Telephone:
    """A channel whose callbacks are the real ones and which sends nothing."""

    def __init__(self, name: str, door: Door | WechatDoor) -> None:
        self.name, self.door = name, door
        self.receive = door.receive


def sms(office: Office, text: str, ident: str, *, secret: str = "s3cret", nonce: str = "") -> Callback:
    now = office.clock.now()
    said = {"type": "reply", "id": ident, "number": NUMBER, "text": text, "at": now.isoformat()}
    body = json.dumps({"events": [said]}).encode()
    return Callback("POST", {}, body, header(secret, "callback", "linli", now, nonce or f"{ident:0>10}", body))


def take_sms(office: Office, text: str, ident: str, **how: str) -> Reply:
    asked, channel = sms(office, text, ident, **how), Telephone("sms", Door("linli", "s3cret"))
    return office.store.write_now(lambda tx: callback.take(tx, channel, asked))  # type: ignore[arg-type]


def tasks(office: Office, notice: str = "") -> list[Answer]:
    rule = select(Answer).where(col(Answer.notice) == notice) if notice else select(Answer)
    return office.store.read_now(lambda read: list(read.session.execute(rule).scalars()))


def texts(office: Office, kind: str) -> list[tuple[str, str]]:
    """(channel, words) of what goes back to one person."""
    rule = select(Fanout).where(col(Fanout.kind) == kind).order_by(col(Fanout.id))
    rows = office.store.read_now(lambda read: list(read.session.execute(rule).scalars()))
    return [(row.channel, row.text) for row in rows]


def arrive(office: Office, made: Notice, channel: str = "sms") -> None:
    """The notice has left for the resident's address there."""

    def sent(tx: Tx) -> None:
        outbox.tell(tx, message_of(made, []), "r-wang", channel)
        for row in tx.session.execute(select(Outbox).where(col(Outbox.notice) == made.id)).scalars():
            if row.channel == channel:
                row.state, row.provider_id = "delivered", f"p-{row.id[-8:]}"
                tx.session.add(row)

    office.store.write_now(sent)


def test_a_three_by_text_message_is_a_task_and_the_answer_returns_there_in_its_own_words(office: Office) -> None:
    made = office.released()
    take_sms(office, " ３！", "up1")
    [task] = tasks(office)
    assert (task.kind, task.way, task.notice, task.resident, task.text) == ("help", "sms", made.id, "r-wang", "")
    assert task.owner
    assert [channel for channel, _words in texts(office, "heard")] == ["sms"]
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "网格员十点上门。"))
    assert texts(office, "answer") == [("sms", "网格员十点上门。")]
    assert texts(office, "notice") == []


def test_a_question_may_bring_its_words_at_once_or_later(office: Office) -> None:
    office.released()
    take_sms(office, "2", "up1")
    take_sms(office, "２ 几点来水？", "up2")
    take_sms(office, "几点来水？", "up3")
    take_sms(office, "2，要停几天", "up4")
    [task] = tasks(office)
    assert task.text == "几点来水?\n要停几天"
    assert len(texts(office, "heard")) == 1


def test_what_nobody_understands_is_answered_once_for_each_notice_and_never_again(office: Office) -> None:
    first = office.released()
    arrive(office, first)
    for number in range(4):
        take_sms(office, "在开会，稍后联系", f"up{number}")
    assert len(texts(office, "unclear")) == 1
    office.clock.advance(60)
    arrive(office, office.released())
    take_sms(office, "在开会，稍后联系", "up9")
    assert [channel for channel, _words in texts(office, "unclear")] == ["sms", "sms"]
    assert tasks(office) == []


def test_who_has_unsubscribed_is_not_written_to_and_the_answer_takes_another_way(office: Office) -> None:
    office.released()
    take_sms(office, "3", "up1")
    take_sms(office, "ＴＤ", "up2")
    take_sms(office, "什么", "up3")
    assert texts(office, "unclear") == []
    [task] = tasks(office)
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "已派人。"))
    assert texts(office, "answer") == []
    assert [channel for channel, _words in texts(office, "notice")] == ["wechat"]


def test_a_forged_or_replayed_answer_changes_nothing(office: Office) -> None:
    office.released()
    assert take_sms(office, "3", "up1", secret="guessed").status == 403
    assert tasks(office) == []
    asked, channel = sms(office, "3", "up1"), Telephone("sms", Door("linli", "s3cret"))
    for _ in range(2):
        office.store.write_now(lambda tx: callback.take(tx, channel, asked))  # type: ignore[arg-type]
    take_sms(office, "3", "up1", nonce="abcdef0123")  # the gateway repeats itself under a new signature
    [task] = tasks(office)
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "好的。"))
    assert take_sms(office, "3", "up1", nonce="abcdef0124").refused == ""
    assert len(tasks(office)) == 1
    assert len(texts(office, "answer")) == 1


@pytest.mark.parametrize("aes_key", ["", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"])
def test_wechat_says_thank_you_below_what_was_written(office: Office, aes_key: str) -> None:
    made = office.released()
    arrive(office, made, "wechat")
    cipher = MessageCipher.of("wx-test", aes_key) if aes_key else None
    door = WechatDoor("token", cipher)

    class Follower(Telephone):
        saying = staticmethod(door.saying)

        async def send(self, batch: object) -> None: ...
        async def recall(self, batch: object) -> None: ...
        def render(self, message: object) -> None: ...

        caps = title = ""

    def write(words: dict[str, str], number: int) -> dict[str, str]:
        at = str(int(office.clock.now().timestamp()))
        body = compose({"ToUserName": "gh_1", "FromUserName": OPENID, "CreateTime": at, **words})
        query = {"timestamp": at, "nonce": f"n{number}", "signature": signature("token", at, f"n{number}")}
        if cipher:
            encrypted = cipher.encrypt(body.encode(), bytes(16))
            query["msg_signature"] = signature("token", at, f"n{number}", encrypted)
            body = compose({"Encrypt": encrypted})
        asked = Callback("POST", query, body.encode())
        reply = office.store.write_now(lambda tx: callback.take(tx, Follower("wechat", door), asked))  # type: ignore[arg-type]
        if reply.body == "success":
            return {}
        said = parse(reply.body.encode())
        if cipher:
            assert said["MsgSignature"] == signature("token", said["TimeStamp"], said["Nonce"], said["Encrypt"])
            said = parse(cipher.decrypt(said["Encrypt"]))
        return said

    thanks = write({"MsgType": "text", "Content": "收到", "MsgId": "11"}, 1)
    assert (thanks["ToUserName"], thanks["FromUserName"], thanks["MsgType"]) == (OPENID, "gh_1", "text")
    assert "谢谢" in thanks["Content"]
    best = office.store.read_now(lambda read: reach.sums(read, made.id)).best
    assert dict(best) == {"acknowledged": 1}
    assert "社区已收到" in write({"MsgType": "event", "Event": "CLICK", "EventKey": "answer-help"}, 2)["Content"]
    assert "1收到" in write({"MsgType": "text", "Content": "]]>在吗老师", "MsgId": "12"}, 3)["Content"]
    assert write({"MsgType": "text", "Content": "天气真好", "MsgId": "13"}, 4) == {}
    assert write({"MsgType": "event", "Event": "CLICK", "EventKey": "points"}, 5) == {}
    [task] = tasks(office)
    office.store.write_now(lambda tx: answers.reply(tx, office.staff, task.id, "马上来。"))
    assert texts(office, "answer") == [("wechat", "马上来。")]


def test_a_key_of_the_remote_acknowledges_for_the_screen_and_for_nobody(office: Office) -> None:
    made, elsewhere = office.released(), office.released(audience=Audience((TAYING,)))
    some = office.released(audience=Audience((LIUHE,), tags=("alone",)))
    token = office.store.write_now(lambda tx: login.open_session(tx, "tv", "tv", "tv-1", area=LIUHE))
    box = office.store.read_now(lambda read: login.subject_of(read, token, "tv"))
    assert box is not None
    for _ in range(2):
        office.store.write_now(lambda tx: answers.receive_on_screen(tx, box, made.id))
    sums = office.store.read_now(lambda read: reach.sums(read, made.id))
    assert (dict(sums.best), dict(sums.screens)) == ({}, {"acknowledged": 1})
    for hidden in (elsewhere, some):
        with pytest.raises(NotFound):
            office.store.write_now(lambda tx, ident=hidden.id: answers.receive_on_screen(tx, box, ident))  # type: ignore[misc]


def test_a_grid_worker_answers_for_others_and_the_audit_log_names_both(office: Office) -> None:
    made, grid = office.released(), staff(office.store, "s-grid")
    by = Actor("staff:s-grid", "resident:r-wang")

    def enter(resident: str, kind: str, text: str = "") -> None:
        office.store.write_now(lambda tx: behalf_pages.answer_for(tx, grid, resident, made.id, kind, text), by)

    enter("r-wang", "received")
    enter("r-wang", "question", "几点来水")
    with pytest.raises(NotAllowed):
        enter("r-lin", "received")  # the grid worker's own household
    [task] = tasks(office)
    assert (task.way, task.text) == ("grid", "几点来水")
    rule = select(AuditRow).where(col(AuditRow.kind) == "AnsweredOnBehalf")
    rows = office.store.read_now(lambda read: list(read.session.execute(rule).scalars()))
    assert [(row.actor, row.on_behalf_of, row.subject) for row in rows] == [
        ("staff:s-grid", "resident:r-wang", made.id)
    ] * 2
    doctor = staff(office.store, "s-doctor")
    with pytest.raises(NotFound):
        office.store.write_now(lambda tx: behalf_pages.answer_for(tx, doctor, "r-wang", made.id, "received", ""))


WAYS = ("web", "sms", "wechat", "kiosk", "grid")
ANSWER = st.tuples(st.sampled_from(WAYS), st.sampled_from(["received", "question", "help"]))
IN_WORDS = {"received": "收到", "question": "2 几点来水", "help": "３"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("ways"))
    made.store.write_now(lambda tx: audience.bind(tx, "r-wang", "sms", NUMBER))
    yield made
    made.store.close()


@settings(max_examples=16)
@given(st.lists(st.one_of(ANSWER, st.just(("desk", "reply")), st.just(("again", ""))), max_size=5))
def test_by_whatever_ways_there_is_one_acknowledgement_and_one_open_task_of_a_kind(
    town: Office, steps: list[tuple[str, str]]
) -> None:
    town.clock.advance(60)  # so that this notice is the youngest on every channel
    made, grid = town.released(), staff(town.store, "s-grid")
    for channel in ("sms", "wechat"):
        arrive(town, made, channel)
    last, kinds = None, set[str]()
    for number, (way, kind) in enumerate(steps):
        mine = tasks(town, made.id)
        if way == "desk":
            for task in [task for task in mine if task.replied_at is None][:1]:
                town.store.write_now(lambda tx, task=task: answers.reply(tx, town.staff, task.id, "好的。"))  # type: ignore[misc]
                kinds.discard(task.kind)
            continue
        if way == "again":
            before = [(task.id, task.text, task.reply) for task in mine]
            if last is not None:
                town.store.write_now(lambda tx, again=last: callback.take(tx, *again))  # type: ignore[misc]
            assert [(task.id, task.text, task.reply) for task in tasks(town, made.id)] == before
            continue
        last = _answer(town, made, way, kind, f"{made.id}{number}", grid) or last
        kinds |= {kind} - {"received"}
        waits = [task.kind for task in tasks(town, made.id) if task.replied_at is None]
        assert sorted(waits) == sorted(kinds)
    best = dict(town.store.read_now(lambda read: reach.sums(read, made.id)).best)
    assert best == ({"acknowledged": 1} if any(way not in ("desk", "again") for way, _kind in steps) else {})


def _answer(
    town: Office, made: Notice, way: str, kind: str, ident: str, grid: Subject
) -> tuple[Telephone, Callback] | None:
    """One answer by its true door; gives the callback, which anybody could replay."""
    if way == "sms":
        channel, asked = (
            Telephone("sms", Door("linli", "s3cret")),
            sms(town, IN_WORDS[kind], ident[-40:], nonce=ident[-40:].replace("-", "")),
        )
        town.store.write_now(lambda tx: callback.take(tx, channel, asked))  # type: ignore[arg-type]
        return channel, asked
    if way == "wechat":
        words = Inbound("said", Address("wechat", OPENID), IN_WORDS[kind], town.clock.now(), f"w {ident}")
        town.store.write_now(lambda tx: callback.inbound(tx, words))
    elif way == "grid":
        town.store.write_now(lambda tx: behalf_pages.answer_for(tx, grid, "r-wang", made.id, kind, "几点来水"))
    elif kind == "received":
        town.store.write_now(lambda tx: answers.receive(tx, WANG, made.id, way))
    else:
        town.store.write_now(lambda tx: answers.ask(tx, WANG, made.id, kind, "几点来水", way))
    return None


def test_at_the_kiosk_the_card_answers_and_without_one_the_page_asks_for_it(tmp_path: Path) -> None:
    seated: dict[str, str] = {}
    office, shell = make_shell(tmp_path, inline=False)
    seat = Module(name="seat", title="Seat", visitor=lambda read, hut: seated.get(hut))
    shell.services.modules = (*shell.services.modules, seat)
    made = office.released(text="因管道检修停水。")
    token = office.store.write_now(lambda tx: login.open_session(tx, "kiosk", "kiosk", "lh-1", area=LIUHE))
    tv = office.store.write_now(lambda tx: login.open_session(tx, "tv", "tv", "tv-1", area=LIUHE))
    at = f"/kiosk/-/n/{made.id}"
    with running(shell), httpx.Client(base_url=shell.url, trust_env=False, follow_redirects=True) as glass:
        glass.cookies.set("linli_kiosk", token)
        assert f'href="{at}"' in glass.get("/kiosk/-/notices").text
        page = glass.get(at).text
        assert "刷卡后回复" in page
        assert f'action="{at}/answer"' not in page
        csrf = page.split('name="linli-csrf" content="')[1].split('"')[0]
        assert glass.post(f"{at}/answer", data={"csrf": csrf, "do": "help"}).status_code == 422
        seated["lh-1"] = "r-wang"
        for do in ("received", "help", "help"):
            page = glass.post(f"{at}/answer", data={"csrf": csrf, "do": do}).text
        assert "您已确认收到" in page
        assert "社区已收到" in page
        seated.clear()
        assert "社区已收到" not in glass.get(at).text
        [task] = tasks(office)
        assert (task.way, task.resident) == ("kiosk", "r-wang")
        glass.cookies.set("linli_tv", tv)
        mark = glass.get(f"/tv/{LIUHE}").text.split('name="linli-csrf" content="')[1].split('"')[0]
        pressed = f"/tv/{LIUHE}/n/{made.id}/received"
        assert glass.post(pressed).status_code == 403
        assert [glass.post(pressed, headers={"x-csrf": mark}).status_code for _ in range(2)] == [204, 204]
    assert dict(office.store.read_now(lambda read: reach.sums(read, made.id)).screens) == {"acknowledged": 1}
