"""The whole way: two people release, the hub signs and publishes, a speaker speaks, its report is proof on the desk."""

from __future__ import annotations

import asyncio
import math
import re
import sys
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest

import channels
from hub import reach, registry
from hub.civic.notices import clips, desk, speakers
from hub.civic.notices.models import Notice
from hub.db import Tx
from hub.directory import hire
from hub.errors import Conflict, Refused
from hub.main import wiring
from hub.main.running import Running
from hub.settings import load
from simulators.line import Address
from simulators.loudspeaker import Loudspeaker, SpeakerSim, speaking
from tests import world
from tests.notices.office import Office, open_office, words
from tests.notices.office_app import make_shell
from tests.notices.test_notice_pages import Desk, Place
from tests.web.shell_world import running
from tests.world import DISTRICT, LIUHE, WAIT_S_MAX

pytestmark = pytest.mark.anyio
MACHINE = (sys.executable, "-I", str(Path(channels.__file__).with_name("loudspeaker_voice.py")), "cmn")


def recording(seconds: float = 2.0, level: float = 0.3, channels_: int = 1, hertz: float = 300.0) -> bytes:
    out, rate = BytesIO(), 8_000
    second = array("h", [int(32_767 * level * math.sin(math.tau * hertz * n / rate)) for n in range(rate)])
    whole = (second * math.ceil(seconds))[: int(seconds * rate)]
    with wave.open(out, "wb") as file:
        file.setnchannels(channels_)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", [each for each in whole for _ in range(channels_)]).tobytes())
    return out.getvalue()


@asynccontextmanager
async def community(folder: Path) -> AsyncIterator[tuple[Running, Loudspeaker]]:
    """A whole hub with its doors open, and one speaker on its pole."""
    keys = folder / "data" / "keys"
    keys.mkdir(parents=True)
    (keys / "seal.key").write_bytes(world.KEY)
    world.make_store(folder / "data").close()  # migrated once a run, not here
    knobs = load({"data_dir": folder / "data", "state_dir": folder, "mqtt_port": 0, "http_port": 0}, {})
    hub = Running(wiring.services(knobs))
    await hub.start(knobs)
    try:

        def fill(tx: Tx) -> str:
            world.people(tx)
            hire(tx, "s-publisher2", "孔雨", "p-kong", [("publisher", DISTRICT)])
            return registry.grant_credential(tx, "lh-horn-1", "speaker", LIUHE)

        password = hub.services.store.write_now(fill)
        await hub.services.registry.load()
        assert hub.mqtt_address is not None
        assert hub.http is not None
        config = SpeakerSim(
            Address(*hub.mqtt_address), "lh-horn-1", password, LIUHE, hub.http.url, folder / "horn", voice=MACHINE,
            pace=0.0,
        )  # fmt: skip
        async with speaking(config) as speaker:
            yield hub, speaker
    finally:
        await hub.finish()


async def shown(hub: Running, notice: str, count: int) -> None:
    """Wait until the ledger says that so many speakers said it."""
    store, moved = hub.services.store, asyncio.Event()
    store.bus.observe(lambda _events, _touched: moved.set())
    async with asyncio.timeout(WAIT_S_MAX):
        while (await store.read(lambda read: reach.sums(read, notice))).at_least("loudspeaker", "shown") < count:
            moved.clear()
            await moved.wait()


async def test_an_emergency_is_on_the_air_and_proved_and_a_recording_wins_over_the_machine(tmp_path: Path) -> None:
    async with community(tmp_path) as (hub, speaker), asyncio.timeout(2 * WAIT_S_MAX):
        store = hub.services.store
        who = [world.staff(store, f"s-{each}") for each in ("staff", "publisher", "publisher2")]
        staff, first, second = who

        def emergency(tx: Tx) -> Notice:
            made = desk.draft(
                tx, first, words(priority="emergency", title="暴雨红色预警", text="今晚20:00起有大暴雨。")
            )
            desk.approve(tx, first, made.id)
            return desk.release(tx, second, made.id)

        made = await store.write(emergency)
        [said] = await speaker.until("said")
        assert (said.notice, said.times, said.voice) == (made.id, 2, "machine")
        assert said.text.startswith("紧急通知，紧急通知。暴雨红色预警。今晚八点起有大暴雨。")
        assert said.seconds > 10
        await shown(hub, made.id, 1)

        sound = clips.listened(recording(channels_=2))
        clips.keep(hub.services.data, sound)

        def quiet(tx: Tx) -> Notice:
            notice = desk.draft(tx, staff, words(priority="routine"))
            clips.attach(tx, staff, notice.id, sound)
            desk.release(tx, staff, notice.id)
            return speakers.say(tx, staff, notice.id)

        async with httpx.AsyncClient(base_url=str(hub.http.url), trust_env=False) as anybody:  # type: ignore[union-attr]
            address = f"/clips/{sound.sha256}.wav"
            assert (await anybody.get(address)).status_code == 404
            notice = await store.write(quiet)
            answer = await anybody.get(address)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
            assert answer.content == sound.data
        board_says = await store.read(lambda read: speakers.state(read, notice.id))
        if board_says.hours.begin <= board_says.now:  # at night it waits, and that is another test's matter
            heard = (await speaker.until("said", 2))[0]
            assert (heard.notice, heard.voice) == (notice.id, "clip")
            await shown(hub, notice.id, 1)


@pytest.fixture
def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = open_office(tmp_path)
    yield made  # type: ignore[misc]
    made.store.close()


def test_a_recording_is_believed_by_what_is_in_it() -> None:
    good = clips.listened(recording())
    assert (good.ms, good.level_db) == (2000, -13)
    assert clips.listened(good.data) == good, "the same sound is the same file"
    tagged = recording() + b"LIST\x1a\x00\x00\x00INFOIART\x0e\x00\x00\x00Wang Guilan\x00\x00\x00"
    assert b"Wang" not in clips.listened(tagged).data
    assert clips.listened(recording(channels_=2)).data == good.data
    for bad in (
        b"", b"RIFF", b"<html>", recording()[:-100], recording(seconds=0.5), recording(seconds=121),
        recording(level=0.001), recording(level=0), recording(level=1.0, hertz=0.0), b"\0" * 2000,
    ):  # fmt: skip
        with pytest.raises(Refused):
            clips.listened(bad)


def test_an_overdriven_recording_is_sent_back() -> None:
    rattling = recording(level=0.9)
    loud = array("h", rattling[44:])
    for place, value in enumerate(loud):
        loud[place] = 32_767 if value > 9_000 else -32_768 if value < -9_000 else value
    with pytest.raises(Refused, match=r"overdriven|过响"):
        clips.listened(rattling[:44] + loud.tobytes())


def test_nobody_lays_a_recording_under_what_two_people_sign(office: Office) -> None:
    made = office.store.write_now(lambda tx: desk.draft(tx, office.staff, words(priority="urgent")))
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: clips.attach(tx, office.staff, made.id, clips.listened(recording())))


def test_the_desk_lays_its_own_voice_down_and_has_it_said(tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path, inline=False)
    with running(shell):
        place = Place(office, shell.url)
        made = office.released()
        office.store.write_now(lambda tx: registry.grant_credential(tx, "lh-horn-1", "speaker", LIUHE))
        desk_ = Desk(place, "s-staff")
        path = f"/desk/notices/{made.id}/speech"
        page = desk_.get(path)
        assert "lh-horn-1" in page
        assert "通知。停水通知。" in page
        assert 'href="' + path in desk_.get(f"/desk/notices/{made.id}")
        csrf = re.findall(r'name="csrf" value="(\w+)"', page)[0]
        files = {"clip": ("../../evil.html", recording(seconds=40), "text/html")}
        kept = desk_.http.post(f"/desk/notices/{made.id}/clip", data={"csrf": csrf}, files=files)
        assert kept.status_code == 200, kept.text[:400]
        assert [each.name for each in (tmp_path / "clips").iterdir()] == [
            clips.listened(recording(seconds=40)).sha256 + ".wav"
        ]
        refused = desk_.http.post(
            f"/desk/notices/{made.id}/clip", data={"csrf": csrf}, files={"clip": ("a.wav", b"<script>")}
        )
        assert refused.status_code == 422 or refused.status_code == 400
        desk_.post(path, path)
        said = office.store.read_now(lambda read: speakers.state(read, made.id))
        assert [(row.area, row.round, row.why) for row in said.asked] == [(LIUHE, 1, "desk")]
        assert said.clip is not None
        for client in place.clients:
            client.close()
