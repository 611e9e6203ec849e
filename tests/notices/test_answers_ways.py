"""A resident answers by whatever is at hand: text message, WeChat, kiosk, a key of the TV, a grid worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from channels.base import Callback, Reply
from channels.sms_callback import Door
from channels.sms_sign import header
from channels.wechat_callback import Door as WechatDoor
from channels.wechat_crypto import MessageCipher, signature
from channels.wechat_xml import compose, parse
from hub import audience, reach
from hub.access import Subject
from hub.civic.notices import answers, callback
from hub.civic.notices.models import Answer, Notice
from hub.db import Tx
from hub.outbox import Fanout, Outbox
from tests.notices.office import Office, open_office
from tests.world import LIUHE

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


def tasks(office: Office) -> list[Answer]:
    return office.store.read_now(lambda read: list(read.session.execute(select(Answer)).scalars()))


def texts(office: Office, kind: str) -> list[tuple[str, str]]:
    """(channel, words) of what goes back to one person."""
    rule = select(Fanout).where(col(Fanout.kind) == kind).order_by(col(Fanout.id))
    rows = office.store.read_now(lambda read: list(read.session.execute(rule).scalars()))
    return [(row.channel, row.text) for row in rows]


def arrive(office: Office, made: Notice, channel: str = "sms") -> None:
    """The notice has left for the resident's address there."""

    def sent(tx: Tx) -> None:
        for row in tx.session.execute(select(Outbox).where(col(Outbox.notice) == made.id)).scalars():
            if row.channel == channel:
                row.state, row.provider_id = "delivered", f"p-{row.id[-8:]}"
                tx.session.add(row)

    office.spread()
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
