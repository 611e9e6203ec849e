"""Vendors: who sends us messages in a form of their own, which device each is about, and what answer they expect.

    id = "dusun"                                   topics and webhooks are the two ways in; a vendor may have both
    topics = ["dusun_pub"]
    each = "data.value.device_list"                the list of records in a message; without it the message is one
    address = "ble_addr"                           the device's address, in each record
    silent = { type = ["HB_Msg", "reportMsg"] }    messages that measure nothing: heard, acknowledged, not kept
    [hook]                                         POST /hooks/<id>
    verify = { by = "token", header = "x-key", query = "key" }
    answer = "success"

The registered device of that address has a profile, and the profile's map says what the record means.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path as File
from typing import Any

from devices.base import DecodeError
from devices.json_text import ABSENT, Path, at, build, parse, way

_FOLDER = File(__file__).parent / "vendors"
RECORDS_MAX = 1_000  # one group commit
FRESH = timedelta(minutes=5)  # a signed message older than this is a replay
_ADDRESS = re.compile(r"[0-9a-z]{4,64}")


@dataclass(frozen=True, slots=True)
class Verify:
    """How a webhook's caller proves itself. `token`: the secret in a header or a query field. `hmac-sha256`: the
    signature over `<time>.<body>` in a header, the time (seconds since 1970) in another."""

    by: str
    header: str
    query: str = ""
    time_header: str = ""

    def holds(
        self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, secret: str, now: datetime
    ) -> bool:
        if self.by == "token":
            given = headers.get(self.header) or (query.get(self.query, "") if self.query else "")
            return hmac.compare_digest(given.encode(), secret.encode())
        said = headers.get(self.time_header, "")
        if not said.isascii() or not said.isdigit() or len(said) > 12:
            return False
        if abs(now.timestamp() - int(said)) > FRESH.total_seconds():
            return False
        return hmac.compare_digest(headers.get(self.header, "").encode(), signature(secret, said, body).encode())


def signature(secret: str, time: str, body: bytes) -> str:
    """Base64 of HMAC-SHA256 over the time, a dot and the body."""
    return base64.b64encode(hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class Hook:
    verify: Verify
    answer: str


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a message: the device's address as it was spelled, and the message around this record alone."""

    address: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Vendor:
    id: str
    title_zh: str
    title_en: str
    source: str
    topics: tuple[str, ...]
    each: Path
    address: Path
    silent: Mapping[Path, tuple[str, ...]]
    hook: Hook | None

    def items(self, payload: bytes) -> Iterator[Item]:
        """The records of a message; DecodeError where it is none of theirs."""
        root = parse(payload)
        if not isinstance(root, dict):
            raise DecodeError("not-an-object", field="payload")
        if any(at(root, path) in words for path, words in self.silent.items()):
            return
        if not self.each:
            yield Item(self._address(root), payload)
            return
        records = at(root, self.each)
        if not isinstance(records, list) or not 0 < len(records) <= RECORDS_MAX:
            raise DecodeError("not-a-list", field=".".join(self.each), limit=RECORDS_MAX)
        for record in records:
            yield Item(self._address(record), build(_with(root, self.each, [record])))

    def _address(self, record: object) -> str:
        said = at(record, self.address)
        if said is ABSENT:
            raise DecodeError("missing-field", field=".".join(self.address))
        if not isinstance(said, str) or not _ADDRESS.fullmatch(plain_address(said)):
            raise DecodeError("bad-id", field=".".join(self.address))
        return said


def plain_address(text: str) -> str:
    """The same for every spelling: A4:C1:38:00:00:01, a4-c1-38-00-00-01, A4C1.3800.0001, a4c138000001."""
    return re.sub(r"[^0-9a-z]", "", text.lower())[:64]


def _with(root: object, path: Path, value: object) -> object:
    """The same message with something else at the end of the way; the one given stays as it is."""
    if not path:
        return value
    assert isinstance(root, dict)  # noqa: S101 - `at` has just gone the same way
    return {**root, path[0]: _with(root[path[0]], path[1:], value)}


def vendor_of_topic(topic: str) -> Vendor | None:
    return next((each for each in all_vendors().values() if any(matches(one, topic) for one in each.topics)), None)


def matches(pattern: str, topic: str) -> bool:
    """An MQTT filter and a topic name."""
    wanted, levels = pattern.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


@cache
def all_vendors() -> Mapping[str, Vendor]:
    """Every vendor of the folder by its id. A file that is none stops the start: it is our own."""
    found = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        loaded = parse_vendor(path.read_text("utf-8"))
        if path.stem != loaded.id:
            raise ValueError(f"{path.name}: the id is {loaded.id}, the file should be named after it")
        found[loaded.id] = loaded
    return found


def parse_vendor(text: str) -> Vendor:
    """A vendor from its TOML. ValueError names what is wrong."""
    raw: dict[str, Any] = tomllib.loads(text)
    try:
        hook, verify = raw.pop("hook", None), None
        if hook is not None:
            verify = Verify(**hook["verify"])
            if verify.by not in ("token", "hmac-sha256") or (verify.by == "hmac-sha256" and not verify.time_header):
                raise ValueError(f"vendor {raw['id']}: verify is by token, or by hmac-sha256 with a time_header")
        made = Vendor(
            id=raw.pop("id"),
            title_zh=raw.pop("title_zh"),
            title_en=raw.pop("title_en"),
            source=raw.pop("source"),
            topics=tuple(raw.pop("topics", ())),
            each=way(raw.pop("each", "")),
            address=way(raw.pop("address")),
            silent={way(path): tuple(words) for path, words in raw.pop("silent", {}).items()},
            hook=None if verify is None else Hook(verify, hook["answer"]),
        )
    except (KeyError, TypeError) as missing:
        raise ValueError(f"vendor {raw.get('id', '?')}: {missing} is missing or unknown") from None
    if raw:
        raise ValueError(f"vendor {made.id}: unknown entries {', '.join(sorted(raw))}")
    return made
