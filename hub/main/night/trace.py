"""What happened in a night, in order: lines for a person, and one hash over them and over every byte on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Line:
    at_s: float
    what: str
    who: str
    cause: str = ""

    def text(self, start: datetime) -> str:
        clock = (start + timedelta(seconds=self.at_s, hours=8)).strftime("%H:%M:%S.%f")[:-3]
        return f"{clock}  {self.who:<18} {self.what}" + (f"  <- {self.cause}" if self.cause else "")


@dataclass
class Trace:
    now_s: Callable[[], float]
    lines: list[Line] = field(default_factory=list)
    wire_bytes: int = 0
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def say(self, what: str, who: str, cause: str = "") -> None:
        line = Line(round(self.now_s(), 6), what, who, cause)
        self.lines.append(line)
        self._digest.update(f"{line.at_s:.6f}|{who}|{what}|{cause}\n".encode())

    def wire(self, call: int, way: str, data: bytes) -> None:
        self.wire_bytes += len(data)
        self._digest.update(f"{self.now_s():.6f}|{call}|{way}|".encode() + data)

    @property
    def hash(self) -> str:
        return self._digest.hexdigest()[:32]
