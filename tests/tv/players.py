"""How Kodi (IPTV Simple) and Jellyfin read a list of channels: their rules, said anew."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Read:
    id: str
    number: str
    name: str
    groups: tuple[str, ...]
    logo: str
    url: str


def kodi(text: str) -> tuple[str, list[Read]]:
    """A value begins after its word's sign of equality, quoted or up to a blank; groups are parted by semicolons."""
    lines = [line.strip() for line in text.splitlines()]
    guide = (_kodi_value(lines[0], "x-tvg-url") or _kodi_value(lines[0], "url-tvg")).partition(",")[0]
    found = []
    for info, url in zip(lines[1::2], lines[2::2], strict=True):
        last = info.rfind('"')
        comma = info.find(",", last) if info[last + 1 :].lstrip().startswith(",") else info.rfind(",")
        said = info[info.index(":") + 1 : comma]
        groups = tuple(part for part in _kodi_value(said, "group-title").split(";") if part)
        number = _kodi_value(said, "tvg-chno")
        found.append(
            Read(
                _kodi_value(said, "tvg-id"),
                number,
                info[comma + 1 :].strip(),
                groups,
                _kodi_value(said, "tvg-logo"),
                url,
            )
        )
    return guide, found


def _kodi_value(line: str, word: str) -> str:
    at = line.find(f"{word}=")
    if at < 0:
        return ""
    begins = at + len(word) + 1
    if line[begins : begins + 1] == '"':
        return line[begins + 1 : line.index('"', begins + 1)]
    return re.split(r"[ ,]", line[begins:], maxsplit=1)[0]


_PAIR = re.compile(r'([a-z0-9\-_]+)="([^"]+)"', re.IGNORECASE)


def jellyfin(text: str) -> list[Read]:
    """What is left of a line without its pairs is parted at commas; a number before the name is cut off it."""
    found, info = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.upper().startswith("#EXTINF:"):
            info = line[len("#EXTINF:") :]
        elif info and line and not line.startswith("#"):
            said = dict(_PAIR.findall(info))
            parts = [part for part in _PAIR.sub("", info).split(",") if part]
            name = parts[-1].strip() if len(parts) > 1 else ""
            first, _blank, rest = name.partition(" ")
            if rest and re.fullmatch(r"-?\d+(\.\d*)?", first.strip(" .")):
                name = rest.strip(" -")
            number = said.get("tvg-chno", "")
            group = said.get("group-title")
            found.append(
                Read(
                    said.get("tvg-id", ""),
                    number if number not in ("", "0", "-1") else "",
                    name or said.get("tvg-name", ""),
                    (group,) if group else (),
                    said.get("tvg-logo", ""),
                    line,
                )
            )
            info = ""
    return found
