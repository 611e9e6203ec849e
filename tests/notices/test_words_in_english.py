"""English is English: channels have their names, a door is a door, and an empty composer finds no fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub import directory
from hub.i18n import speaking, translate
from hub.outbox import FORWARD
from tests.notices.office_app import make_shell
from tests.notices.test_notice_pages import Desk, Place
from tests.web.shell_world import running


@pytest.mark.parametrize(
    ("flat", "english"),
    [
        ("3单元402", "Building 8, stair 3, flat 402"),
        ("402", "Building 8, flat 402"),
        ("3-2", "Building 8, flat 3-2"),
    ],
)
def test_a_door_reads_in_the_reader_s_language(flat: str, english: str) -> None:
    with speaking("en"):
        assert directory.door("Building 8", flat) == english
    with speaking("zh"):
        assert directory.door("8栋", flat) == f"8栋 {flat}"


def test_channels_have_names_in_both_languages() -> None:
    for channel in ("web", "tv", "kiosk", "wechat", "sms", "webpush", "loudspeaker", "visit"):
        for lang in ("zh", "en"):
            assert translate(channel, lang) != channel
    assert [translate(level, "en") for level in FORWARD] == list(FORWARD)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    office, shell = make_shell(tmp_path_factory.mktemp("words"), inline=False)
    with running(shell):
        made = Place(office, shell.url)
        yield made
        for client in made.clients:
            client.close()


def test_an_empty_composer_does_not_complain_before_it_was_touched(place: Place) -> None:
    desk = Desk(place, "s-staff")
    for path in ("/desk/notices/new", "/desk/notices/new?kind=water"):
        assert 'class="note note-warn"' not in desk.get(path)
    shown, _path = desk.post("/desk/notices/preview", "/desk/notices/new", title="", text="")
    assert 'class="note note-warn"' in shown
