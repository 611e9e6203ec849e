"""What is attached to a notice: pictures and PDF, kept by their content's hash in a folder beside the database.

A file is on the disk, with its name in its folder, before the row that speaks of it is committed; it is never changed
and never taken away, since an older revision is evidence of what was shown. The list stands in the notice itself, so
that the signatures cover it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from channels.text import one_line
from hub import approval, media
from hub.access import Subject
from hub.civic.notices import active, rules
from hub.civic.notices.models import Notice
from hub.db import Tx
from hub.errors import Conflict, NotFound, Refused, Unavailable
from hub.i18n import _

FOLDER = "attachments"
FILES_MAX = 5  # of one notice; more is an album, link it
NAME_CHARS_MAX = 80
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Attachment:
    digest: str
    name: str
    type: str
    size: int

    @property
    def picture(self) -> bool:
        return self.type != media.PDF

    @property
    def kib(self) -> int:
        return -(-self.size // 1024)


def of(notice: Notice) -> list[Attachment]:
    return [Attachment(**each) for each in json.loads(notice.attachments)] if notice.attachments else []


def keep(data: Path, name: str, body: bytes) -> Attachment:
    """Write a file so that no power cut takes it. The same content is kept once."""
    found = media.read(body)
    digest = hashlib.sha256(found.body).hexdigest()
    path = _path(data, digest)
    try:
        if not path.exists():
            _write(path, found.body)
    except OSError:
        raise Unavailable(_("The file could not be stored; the disk refuses")) from None
    return Attachment(digest, _name(name, found.type), found.type, len(found.body))


def body(data: Path, digest: str) -> bytes:
    """The bytes, checked against their hash: a damaged file is not shown as what was signed."""
    try:
        found = _path(data, digest).read_bytes()
    except FileNotFoundError:
        raise NotFound(_("There is no such file")) from None
    if hashlib.sha256(found).hexdigest() != digest:
        raise NotFound(_("There is no such file"))
    return found


def named(notice: Notice, digest: str) -> Attachment:
    for each in of(notice):
        if each.digest == digest:
            return each
    raise NotFound(_("There is no such file"))


def add(tx: Tx, by: Subject, ident: str, made: Attachment) -> Notice:
    """Attach to a draft; all signatures are void."""
    notice = _draft(tx, by, ident)
    listed = of(notice)
    if any(each.digest == made.digest for each in listed):
        return notice
    if len(listed) >= FILES_MAX:
        raise Refused(_("A notice has at most {n} files").format(n=FILES_MAX))
    return _listed(tx, notice, [*listed, made])


def remove(tx: Tx, by: Subject, ident: str, digest: str) -> Notice:
    notice = _draft(tx, by, ident)
    return _listed(tx, notice, [each for each in of(notice) if each.digest != digest])


def copy(tx: Tx, by: Subject, source: str, ident: str) -> None:
    """The files of a notice this person may read go along to its copy."""
    found = active.touching(tx, active.notice(tx, source), by.paths("notices.read"))
    if found.attachments:
        _listed(tx, _draft(tx, by, ident), of(found))


def _draft(tx: Tx, by: Subject, ident: str) -> Notice:
    notice = active.visible_to(tx, by, ident, "notices.draft")
    if notice.state != "draft":
        raise Conflict(_("Files are attached to a draft; copy the notice to change them"))
    if notice.warning:
        raise Conflict(_("These are the issuer's words; a relayed warning is released as it stands or not at all"))
    return notice


def _listed(tx: Tx, notice: Notice, files: Sequence[Attachment]) -> Notice:
    notice.attachments = json.dumps([asdict(each) for each in files], ensure_ascii=False) if files else ""
    tx.session.add(notice)
    tx.session.flush()
    approval.void(tx, rules.signed_as(notice))
    tx.touch("notices.reach", notice.id)
    return notice


def _path(data: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise NotFound(_("There is no such file"))
    return data / FOLDER / digest[:2] / digest


def _write(path: Path, content: bytes) -> None:
    """Temporary file, fsync, name, fsync of the folders: whoever comes second finds it whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 600; two uploads never share one
    waiting = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)
    except OSError:
        waiting.unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name(given: str, kind: str) -> str:
    """What the file is called when saved: one short line without a path, with the ending of what it is."""
    plain = one_line(given.replace("\\", "/").rsplit("/", 1)[-1])
    plain = re.sub(r'[<>:"|?*%;]', "", plain).rsplit(".", 1)[0].strip(". ")
    return (plain[:NAME_CHARS_MAX] or "file") + media.ENDING[kind]
