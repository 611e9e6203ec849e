"""Check a ledger that Linli exported: python verify_ledger.py FILE [AREA/MONTH=HASH ...]  (standard library only)
Recomputes each entry's hash, each link of each community's chain, each balance. A HASH is a head that was published."""

import csv
import sys
from hashlib import sha256
from pathlib import Path


def verify(data: bytes, *heads: str) -> str:
    body, _mark, tail = data.rpartition(b"end,")
    need(tail == f"{sha256(body).hexdigest()}\n".encode(), "the file is not as it was exported")
    ends, sums, entries, hashes = dict[str, str](), dict[tuple[str, str], int](), 0, list[str]()
    for kind, *row in list(csv.reader(f"{line}\n" for line in body.decode().removesuffix("\n").split("\n")))[1:]:
        if kind == "entry":
            entries += 1
            for account, sign in ((row[4], -1), (row[5], 1)):
                sums[row[3], account] = sums.get((row[3], account), 0) + sign * int(row[6])
        if kind in ("entry", "hash"):  # somebody else's entry is its hash alone
            hashes.append(sha256("\x1f".join(row).encode()).hexdigest() if kind == "entry" else row[0])
        elif kind == "link":
            area, month, seq, count, before, found = row
            need(ends.get(area, before) == before and len(hashes) == int(count), f"{area}/{month}: gap at link {seq}")
            link = sha256("\n".join([before, area, month, seq, *hashes]).encode()).hexdigest()
            need(link == found, f"{area}/{month}: link {seq} has other entries")
            ends[area], ends[f"{area}/{month}"], hashes = found, found, []
        else:  # balance: account, unit, before this file, after it
            good = kind == "balance" and (row[1], row[0]) in sums and str(int(row[2]) + sums[row[1], row[0]]) == row[3]
            need(good, f"the {kind} of {row[0]} is another")
    need(not hashes, "entries without a link")
    need(all(ends.get(head[:-65]) == head[-64:] for head in heads), "it does not lead to the published heads")
    return "\n".join([f"sound: {entries} entries", *(f"{place}={end}" for place, end in ends.items() if "/" in place)])


def need(true: bool, why: str) -> None:
    sys.exit(f"NOT SOUND: {why}") if not true else None


if __name__ == "__main__":
    print(verify(Path(sys.argv[1]).read_bytes(), *sys.argv[2:]))
