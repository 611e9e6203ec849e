"""Down to the bytes and back to the beginning: who sees what of a frame and of the way that something took."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

import hub
from devices.codecs import all_codecs
from devices.profile import all_profiles
from hub import approval, audience, contacts, directory, frames, login, outbox, readings, why
from hub.access import NOBODY, Subject
from hub.civic.operations import acts, alarms, rule_sets
from hub.civic.operations.judge import Entry
from hub.civic.operations.models import Act
from hub.civic.operations.scope import WHOLE
from hub.civic.operations.setaside import see
from hub.db import Tx
from hub.errors import NotFound
from hub.events import AlertRaised, Event, NoticeReleased, PersonalMessage
from hub.i18n import translate
from hub.main.asking import _plain
from hub.outbox import Outbox
from hub.quarantine import QuarantineRow
from hub.readings import Reading
from hub.why import Link
from hub.why_words import PERMISSIONS as PERMISSIONS_OF
from hub.why_words import WORDS
from tests.operations.opsrig import CANARY, HUT, PERMISSIONS, Ops, token
from tests.world import LIUHE, START, TAYING, staff

VALUES = ("187", "93", "124", "bb", "5d", "7c")  # of CANARY, as numbers and as bytes


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path)
    made.busy_day()
    yield made
    made.store.close()


def first_reading(ops: Ops) -> str:
    return str(ops.store.read_now(lambda read: read.session.execute(select(col(Reading.id)).limit(1)).scalar_one()))


def resident(ident: str) -> Subject:
    return Subject(id=ident, kind="resident", area=LIUHE, permissions=PERMISSIONS)


def frame(ops: Ops, who: Subject, ident: str) -> frames.Frame:
    return ops.store.read_now(lambda read: frames.of_reading(read, who, ident))


def told(found: frames.Frame) -> str:
    return " ".join(f"{part.text} {' '.join(part.cells)}" for part in found.parts if part.role != "time")


def test_an_operator_sees_where_each_field_lies_and_no_byte_of_a_person(ops: Ops) -> None:
    found = frame(ops, ops.subject(), first_reading(ops))
    assert not found.open
    assert {"layout", "value", "time"} <= {part.role for part in found.parts}
    for part in found.parts:
        covered = part.role in ("value", "context", "identity", "unread")
        assert (part.text is None) == covered
        assert (set(part.cells) == {frames.COVER}) == covered
        assert len(part.cells) == part.end - part.start
    assert not [word for word in VALUES if word in told(found)]
    assert not found.sha256, "a few bytes are soon guessed from their hash"


def test_a_reading_without_its_values_tells_no_hash_of_its_bytes(ops: Ops) -> None:
    row = ops.store.read_now(lambda read: readings.get(read, first_reading(ops)))
    told = [
        ops.store.read_now(lambda read, open_=open_: readings.as_json(read, row, with_values=open_))["raw_sha256"]
        for open_ in (False, True)
    ]
    assert told == [None, row.raw_sha256], "a pressure's frame has so few forms that its hash gives it away"


def test_the_resident_sees_their_own_bytes_and_nobody_elses(ops: Ops) -> None:
    ident = first_reading(ops)
    ops.act(lambda tx: readings.bind(tx, ident, "r-wang", "card", None))
    assert "187" in told(frame(ops, resident("r-wang"), ident))
    for other in (resident("r-lin"), NOBODY, staff(ops.store, "s-staff"), staff(ops.store, "s-director")):
        with pytest.raises(NotFound):
            frame(ops, other, ident)


def test_a_doctor_sees_values_only_by_consent(ops: Ops) -> None:
    ident, doctor = first_reading(ops), staff(ops.store, "s-doctor")
    ops.act(lambda tx: readings.bind(tx, ident, "r-wang", "card", None))
    with pytest.raises(NotFound):
        frame(ops, doctor, ident)
    ops.act(lambda tx: directory.give_consent(tx, "r-wang", "doctor", "1", "kiosk"))
    assert frame(ops, doctor, ident).open


def test_a_frame_in_quarantine_is_covered_for_everybody(ops: Ops) -> None:
    cut = CANARY[:-1]  # a true pressure with one byte missing: its numbers are still a person's
    ops.send(ops.up(cut))
    row = max(ops.quarantined(), key=lambda each: each.id)
    held = WHOLE.holds(QuarantineRow.area)
    found = ops.store.read_now(lambda read: frames.set_aside(read, held, row.id, "generic.sig.2a35"))
    assert found.sentence
    assert not [word for word in VALUES if word in told(found)]
    with pytest.raises(NotFound):
        ops.store.read_now(lambda read: frames.set_aside(read, QuarantineRow.area == TAYING, row.id, None))  # type: ignore[arg-type]


@settings(max_examples=40)
@given(st.sampled_from(sorted(all_codecs())), st.binary(max_size=64), st.booleans())
def test_whatever_arrives_every_byte_is_covered_or_shown_once(codec: str, payload: bytes, open_: bool) -> None:
    known = all_profiles().get(f"generic.{codec}")
    parts = frames.parts(payload, codec, known, open_=open_)
    assert sum(len(part.cells) for part in parts) == len(payload)
    shown = "".join(cell for part in parts for cell in part.cells)
    if open_:
        assert shown == payload.hex()
    assert all(part.text is None for part in parts if part.role in ("value", "context", "identity", "unread")) or open_


def chain(ops: Ops, ident: str, who: Subject | None) -> why.Chain:
    return ops.store.read_now(lambda read: why.chain(read, ident, who))


def kinds(links: tuple[Link, ...]) -> list[str]:
    return [link.node.kind if link.node else "hidden" for link in links]


def raise_alert(ops: Ops, ident: str) -> str:
    def write(tx: Tx) -> str:
        readings.bind(tx, ident, "r-wang", "card", None)
        bound = tx.events[-1]
        return tx.emit(
            AlertRaised, cause=bound.id, alert="a-1", rule="bp@1", level="first", hut=HUT, area=LIUHE, reading=ident
        ).id

    return str(ops.act(write))


def test_an_alert_walks_back_to_the_frame_of_the_device(ops: Ops) -> None:
    ident = first_reading(ops)
    event = raise_alert(ops, ident)
    for asked in (event, "a-1"):
        assert kinds(chain(ops, asked, None).way) == ["frame", "reading", "ReadingBound", "AlertRaised"]
    forward = chain(ops, ident, None)
    assert kinds(forward.followed) == ["ReadingBound", "AlertRaised"]


def test_each_link_is_shown_only_to_who_may_see_it(ops: Ops) -> None:
    ident = first_reading(ops)
    raise_alert(ops, ident)
    attendant = staff(ops.store, "s-staff")  # answers calls at the huts, sees no readings
    assert kinds(chain(ops, "a-1", attendant).way) == ["hidden", "hidden", "hidden", "AlertRaised"]
    assert kinds(chain(ops, "a-1", resident("r-wang")).way) == ["frame", "reading", "ReadingBound", "AlertRaised"]
    for stranger in (resident("r-lin"), NOBODY, staff(ops.store, "s-publisher")):
        for asked in ("a-1", ident):
            with pytest.raises(NotFound):
                chain(ops, asked, stranger)
    hidden = chain(ops, "a-1", attendant).way[0]
    assert hidden.node is None
    assert hidden.word == ""


def test_what_two_people_signed_begins_with_their_signatures(ops: Ops) -> None:
    def write(tx: Tx) -> None:
        for part, ident in (("draft", "s-staff"), ("release", "s-director")):
            approval.sign(tx, "notice:n-1:1", part, {"text": "x"}, Subject(id=ident, kind="staff", person=ident))
        tx.emit(NoticeReleased, notice="n-1", revision=1, priority="urgent", areas=(LIUHE,))

    ops.act(write)
    found = chain(ops, "n-1", staff(ops.store, "s-director"))
    assert kinds(found.way)[:2] == ["signature", "signature"]
    assert kinds(found.way)[-1] == "NoticeReleased"
    assert kinds(chain(ops, "n-1", resident("r-lin")).way) == ["hidden", "hidden", "NoticeReleased"]


def test_the_command_names_no_resident(ops: Ops) -> None:
    raise_alert(ops, first_reading(ops))
    said = str([_plain(link) for link in chain(ops, "a-1", None).way])
    assert "r-wang" not in said
    assert "AlertRaised" in said


def get(ops: Ops, path: str, ident: str = "s-operator") -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            http.cookies.set("linli_staff", token(ops, ident))
            return await http.get(path, follow_redirects=True)

    return asyncio.run(go())


def test_the_pages_open_for_staff_and_residents(ops: Ops) -> None:
    ident, aside = first_reading(ops), ops.quarantined()[0].id
    for path in (f"/frames/{ident}", f"/why/{ident}", f"/operate/quarantine/{aside}"):
        answer = get(ops, path)
        assert answer.status_code == 200, path
        assert "187" not in answer.text
    assert get(ops, f"/frames/{ident}", "s-publisher").status_code == 404
    ops.act(lambda tx: readings.bind(tx, ident, "r-wang", "card", None))
    mine = str(ops.act(lambda tx: login.open_session(tx, "resident", "resident", "r-wang")))

    async def go() -> list[Any]:
        transport = httpx.ASGITransport(app=ops.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            nobody = await http.get(f"/frames/{ident}")
            http.cookies.set("linli_resident", mine)
            answer = await http.get(f"/frames/{ident}")
            return [nobody.status_code, answer.status_code, "187" in answer.text]

    assert asyncio.run(go()) == [401, 200, True]


def test_an_alarm_walks_back_to_the_line_and_to_who_signed_its_rules(ops: Ops) -> None:
    def look(tx: Tx) -> None:
        alarms.look(tx, {"waiting": 0})

    ops.act(look)
    for part, ident in zip(rule_sets.PARTS, ("s-operator", "s-else"), strict=True):
        signer = Subject(id=ident, kind="staff", person=ident)
        ops.act(lambda tx, part=part, signer=signer: approval.sign(tx, "rules:rules-1", part, {"version": 1}, signer))
    ops.say(HUT, LIUHE, "offline")
    for _look in range(6):
        ops.clock.advance(30)
        ops.act(look)
    raised = ops.store.read_now(lambda read: alarms.standing(read, "hut-line-down", f"gateway:{HUT}"))
    assert raised is not None
    found = chain(ops, raised.id, ops.subject())
    assert kinds(found.way) == ["signature", "signature", "GatewayChanged", "AlarmChanged"]


def test_an_alarm_of_a_device_walks_back_to_the_frame_and_on_to_who_was_called(ops: Ops) -> None:
    ops.act(lambda tx: contacts.enter(tx, "s-operator", "sms", "10000000001"))
    ops.act(lambda tx: alarms.look(tx, {"waiting": 0}))
    row = ops.store.read_now(lambda read: read.session.execute(select(Reading).limit(1)).scalar_one())
    said = {"at": START, "level": "warn", "rule": "device-faulty", "subject": f"device:{row.device}"}
    entry = Entry(1, ops.clock.now(), "look", {})
    ops.say(HUT, LIUHE, "online")
    line = json.dumps({**said, "at": "", "to": "operator", "told": True, "what": "raised"})
    ops.act(lambda tx: alarms.keep(tx, 1, entry, [line]))
    raised = ops.store.read_now(lambda read: alarms.standing(read, "device-faulty", f"device:{row.device}"))
    assert raised is not None
    found = chain(ops, raised.id, ops.subject())
    assert kinds(found.way)[-2:] in (["reading", "AlarmChanged"], ["GatewayChanged", "AlarmChanged"])
    assert kinds(found.followed) == ["CallMade"]
    call = str((found.followed[0].node or found.way[0].node).detail["call"])  # type: ignore[union-attr,index]
    assert kinds(chain(ops, call, None).way)[-2:] == ["AlarmChanged", "CallMade"]


def test_a_delivery_walks_back_to_the_word_that_asked_for_it(ops: Ops) -> None:
    def ask(tx: Tx) -> str:
        audience.bind(tx, "r-wang", "sms", "10000000005")
        said = tx.emit(PersonalMessage, resident="r-wang", kind="points", title="积分", text="有新积分")
        outbox.plan_personal(tx, said)
        return str(tx.session.execute(select(col(Outbox.id))).scalar_one())

    delivery = str(ops.act(ask))
    assert kinds(chain(ops, delivery, None).way)[-1] == "PersonalMessage"
    assert "DeliveriesPlanned" in kinds(chain(ops, delivery, None).followed)


def test_every_kind_of_event_has_a_word_in_both_languages() -> None:
    for info in pkgutil.walk_packages(hub.__path__, "hub."):
        if not info.name.startswith(("hub.main", "hub.migrations", "hub.__main__")):
            importlib.import_module(info.name)

    def kinds_of(kind: type[Event]) -> Iterator[type[Event]]:
        for each in kind.__subclasses__():
            yield each
            yield from kinds_of(each)

    house = {each.__name__ for each in kinds_of(Event) if each.__module__.startswith("hub.")}
    named = {name for name in house if not name.startswith("_")}
    assert not named - WORDS.keys()
    assert not set(PERMISSIONS_OF) - WORDS.keys()
    assert not [word for word in WORDS.values() if translate(word, "zh") == word]


def test_dealt_with_can_be_taken_back(ops: Ops) -> None:
    who, row = ops.subject(), ops.quarantined()[0]
    assert ops.act(lambda tx: see(tx, WHOLE, row.id, and_before=True, who=who)) >= 1
    act = ops.store.read_now(lambda read: read.session.execute(select(Act)).scalar_one())
    before = sum(1 for each in ops.quarantined() if each.seen)
    assert before
    ops.act(lambda tx: acts.undo(tx, who, act.id))
    assert not [each for each in ops.quarantined() if each.seen]
