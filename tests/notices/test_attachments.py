"""Attachments: told by content, stripped of what nobody meant to publish, kept whole, signed, and never run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import media
from hub.civic.notices import attachments, desk
from hub.civic.notices.models import Notice
from hub.errors import Conflict, NotFound, Refused, StillMissing, Unavailable
from hub.i18n import speaking
from tests.notices import pictures
from tests.notices.office import Office, open_office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = open_office(tmp_path_factory.mktemp("office"))
    yield made
    made.store.close()


@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_photo_keeps_its_picture_and_its_turn_and_nothing_else(order: str) -> None:
    sent = pictures.jpeg(
        pictures.exif(6, order),
        pictures.comment(pictures.PLACE),
        pictures.thumbnail(),
        tail=b"PK\x03\x04" + pictures.PLACE,
    )
    kept = media.read(sent)
    assert kept.type == media.JPEG
    assert pictures.PLACE not in kept.body
    assert pictures.SCAN in kept.body
    assert kept.body.endswith(b"\xff\xd9")
    assert media.read(kept.body).body == kept.body  # its turn is found again: once more changes nothing
    assert b"Exif" in kept.body
    assert b"Exif" not in media.read(pictures.jpeg(pictures.exif(1, order))).body


def test_a_drawing_keeps_its_pixels_and_nothing_else() -> None:
    extra = ((b"tEXt", b"Author\0" + pictures.PLACE), (b"eXIf", pictures.PLACE), (b"gAMA", b"\0\0\xb1\x8f"))
    kept = media.read(pictures.png(*extra, tail=b"<script>" + pictures.PLACE))
    assert kept.type == media.PNG
    assert kept.body == pictures.png((b"gAMA", b"\0\0\xb1\x8f"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The file is empty"),
        (b"<html><script>alert(1)</script>", "this file is something else"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "this file is something else"),
        (b"GIF89a", "this file is something else"),
        (pictures.jpeg(width=20_000), "too large to be shown"),
        (pictures.png(width=20_000), "too large to be shown"),
        (pictures.jpeg()[:-20], "damaged"),
        (pictures.png()[:-20], "damaged"),
        (pictures.pdf(b"/OpenAction<</S/JavaScript/JS(app.alert)>>"), "contains a program"),
        (pictures.pdf(b"/#4aavaScript 2 0 R"), "contains a program"),
        (pictures.pdf(b"/Encrypt 2 0 R"), "locked with a password"),
        (pictures.pdf()[:-8], "incomplete"),
        (pictures.pdf() + b"\0" * media.FILE_BYTES_MAX, "at most 8 MB"),
    ],
)
def test_what_is_not_a_harmless_picture_or_paper_is_refused_in_words(body: bytes, sentence: str) -> None:
    with speaking("en"), pytest.raises(Refused, match=sentence):
        media.read(body)


@given(
    st.sampled_from(
        [pictures.jpeg(pictures.exif(6), pictures.comment(b"x")), pictures.png((b"tEXt", b"a\0b")), pictures.pdf()]
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
@settings(max_examples=30)
def test_a_spoilt_file_is_refused_or_clean_and_nothing_else_happens(
    body: bytes, spoils: list[tuple[int, int]], cut: int
) -> None:
    spoilt = bytearray(body[: cut or None])
    for place, value in spoils:
        if place < len(spoilt):
            spoilt[place] = value
    try:
        kept = media.read(bytes(spoilt))
    except Refused:
        return
    assert media.read(kept.body) == kept


def test_a_file_is_on_the_disk_before_anything_speaks_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    made = attachments.keep(tmp_path, "停水范围.html", pictures.png())
    assert synced[0].startswith(made.digest)  # the bytes, before they have their name
    assert synced[1:] == [made.digest[:2], attachments.FOLDER, tmp_path.name]
    assert (made.name, made.type) == ("停水范围.png", media.PNG)
    assert hashlib.sha256(attachments.body(tmp_path, made.digest)).hexdigest() == made.digest
    assert attachments.keep(tmp_path, "again.png", pictures.png(tail=b"other tail")).digest == made.digest
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [made.digest]


def test_a_damaged_or_unknown_file_is_not_shown(tmp_path: Path) -> None:
    made = attachments.keep(tmp_path, "a.pdf", pictures.pdf())
    (tmp_path / attachments.FOLDER / made.digest[:2] / made.digest).write_bytes(b"%PDF-1.4 another %%EOF")
    for digest in (made.digest, "0" * 64, "../../linli.db", "A" * 64):
        with pytest.raises(NotFound):
            attachments.body(tmp_path, digest)


def test_a_disk_that_refuses_is_said_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable):
        attachments.keep(tmp_path, "a.png", pictures.png())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("C:\\fakepath\\通知.PDF", "通知.png"), ("../../etc/passwd", "passwd.png"), ('a"b\r\nX: y.png', "ab X y.png"),
     ("", "file.png"), (".htaccess", "file.png"), ("长" * 300 + ".jpg", "长" * 80 + ".png")],
)  # fmt: skip
def test_a_name_is_one_harmless_line_with_the_ending_of_its_content(tmp_path: Path, given: str, kept: str) -> None:
    assert attachments.keep(tmp_path, given, pictures.png()).name == kept


def test_the_signatures_cover_the_files(office: Office, tmp_path: Path) -> None:
    one = attachments.keep(tmp_path, "a.png", pictures.png())
    draft = office.draft(priority="urgent")
    office.store.write_now(lambda tx: desk.approve(tx, office.staff, draft.id))
    office.store.write_now(lambda tx: attachments.add(tx, office.staff, draft.id, one))
    with pytest.raises(StillMissing):
        office.store.write_now(lambda tx: desk.release(tx, office.second, draft.id))
    bare, dressed = office.draft(), office.draft()
    office.store.write_now(lambda tx: attachments.add(tx, office.staff, dressed.id, one))
    hashes = [
        office.store.write_now(lambda tx, n=n: desk.release(tx, office.staff, n.id)).content_hash
        for n in (bare, dressed)
    ]
    assert hashes[0] != hashes[1]
    with pytest.raises(Conflict):
        office.store.write_now(lambda tx: attachments.remove(tx, office.staff, dressed.id, one.digest))


def test_a_notice_has_five_files_at_most_and_a_copy_takes_them_along(office: Office, tmp_path: Path) -> None:
    made = office.draft()
    for number in range(attachments.FILES_MAX):
        file = attachments.keep(tmp_path, f"{number}.png", pictures.png((b"gAMA", bytes((0, 0, 0, number)))))
        office.store.write_now(lambda tx, file=file: attachments.add(tx, office.staff, made.id, file))
    with pytest.raises(Refused):
        office.store.write_now(
            lambda tx: attachments.add(tx, office.staff, made.id, attachments.keep(tmp_path, "6.png", pictures.png()))
        )
    again = office.draft()
    office.store.write_now(lambda tx: attachments.copy(tx, office.staff, made.id, again.id))
    kept = office.store.read_now(lambda read: attachments.of(read.session.get_one(Notice, again.id)))
    assert [each.name for each in kept] == [f"{number}.png" for number in range(attachments.FILES_MAX)]
