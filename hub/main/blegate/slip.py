"""Slips: lines of text as ESC/POS for a thermal printer, sent to a device file or to its port 9100. GB 18030 inside."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

WIDTH = 32  # half-width characters on 58 mm paper
LINES_MAX = 60
TIMEOUT_S = 5.0
_RESET, _CHINESE, _CUT = b"\x1b@", b"\x1c&", b"\n\n\n\x1dV\x42\x00"
_BIG, _NORMAL = b"\x1d!\x11", b"\x1d!\x00"


class PrinterTrouble(RuntimeError):
    """The slip was not printed; the sentence says why."""


def escpos(title: str, lines: Iterable[str]) -> bytes:
    """A title in double size, then the lines, wrapped at the paper's width, cut at the end."""
    body = [_RESET, _CHINESE, _BIG, *_wrapped(title, WIDTH // 2), _NORMAL]
    for line in list(lines)[:LINES_MAX]:
        body += _wrapped(line, WIDTH)
    return b"".join(body) + _CUT


def _wrapped(text: str, width: int) -> list[bytes]:
    """A Chinese character takes two columns; a control character would be a command to the printer and is dropped."""
    rows, row, used = [], "", 0
    for char in text:
        if unicodedata.category(char)[0] == "C":
            continue
        columns = 2 if unicodedata.east_asian_width(char) in "WFA" else 1
        if used + columns > width:
            rows.append(row)
            row, used = "", 0
        row, used = row + char, used + columns
    return [each.encode("gb18030") + b"\n" for each in (*rows, row)]


async def print_to(target: str, slip: bytes) -> None:
    """`/dev/usb/lp0`, or `tcp://192.168.1.9:9100`."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if target.startswith("tcp://"):
                await _over_tcp(target, slip)
            else:
                await asyncio.to_thread(_to_file, target, slip)
    except (OSError, TimeoutError, ValueError) as trouble:
        raise PrinterTrouble(f"the printer at {target} did not take the slip: {trouble or 'no answer'}") from trouble


async def _over_tcp(target: str, slip: bytes) -> None:
    where = urlsplit(target)
    _reader, writer = await asyncio.open_connection(where.hostname, where.port or 9100)
    try:
        writer.write(slip)
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()


def _to_file(target: str, slip: bytes) -> None:
    # Not made when it is missing: a slip must not end up as a file with a neighbour's values on the disk.
    handle = os.open(target, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, slip)
    finally:
        os.close(handle)
