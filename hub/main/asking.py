"""`linli why ID`: the way from a device's frame or a person's signature to whatever has that id, and what followed.

For whoever holds the machine: every step, but no value and no name; residents are called residents.
"""

from __future__ import annotations

import json
from typing import Any

import typer

from hub import why
from hub.db import Store
from hub.i18n import _
from hub.module import discover
from hub.why import Link

HIDDEN = frozenset({"person", "owner", "resident", "residents", "household", "title", "text", "account"})


def ask(store: Store, ident: str, *, as_json: bool) -> None:
    traces = [module.trace for module in discover() if module.trace is not None]
    found = store.read_now(lambda read: why.chain(read, ident, None, traces))
    way, followed = [_plain(link) for link in found.way], [_plain(link) for link in found.followed]
    if as_json:
        typer.echo(json.dumps({"way": way, "followed": followed}, ensure_ascii=False))
        return
    for number, step in enumerate(way, 1):
        typer.echo(f"{number:2}. {_line(step)}")
    if followed:
        typer.echo(_("What followed"))
        for step in followed:
            typer.echo(f"    {_line(step)}")


def _plain(link: Link) -> dict[str, Any]:
    node = link.node
    if node is None:  # nothing is hidden from the machine's own
        return {}
    detail = {name: value for name, value in (node.detail or {}).items() if name not in HIDDEN}
    return {
        "id": node.id,
        "kind": node.kind,
        "what": _(link.word),
        "at": node.at.isoformat() if node.at else None,
        "actor": _actor(node.actor),
        "on_behalf_of": _actor(node.on_behalf_of) if node.on_behalf_of else None,
        "detail": detail,
    }


def _actor(actor: str) -> str:
    """Who acted; a resident only as one."""
    return "resident" if actor.startswith("resident:") else actor


def _line(step: dict[str, Any]) -> str:
    facts = " ".join(f"{name}={value}" for name, value in step["detail"].items() if value not in (None, "", []))
    return "  ".join(part for part in (step["at"] or "", step["what"], step["actor"], facts, step["id"]) if part)
