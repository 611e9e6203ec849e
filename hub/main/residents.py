"""`linli resident import|list`: an office's register of residents comes in, and who is there is looked up, masked."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from hub import census
from hub.census import Entered, Problem
from hub.db import Actor, Store
from hub.i18n import _

BREATH_S = 0.05  # between two pages the writer belongs to the running hub
ZONE = ZoneInfo("Asia/Shanghai")
AREA = Annotated[str, typer.Option("--area", help="The community or village.")]
DATA = Annotated[Path | None, typer.Option("--data", help="The hub's data folder.")]
DATABASE = Annotated[str | None, typer.Option("--database", help="Database URL; empty: SQLite in the data folder.")]
JSON = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def register(group: typer.Typer) -> None:
    group.command("import")(bring_in)
    group.command("list")(listing)


def bring_in(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, UTF-8 or GB 18030.")],
    area: AREA,
    take: Annotated[bool, typer.Option("--take", help="Enter it; without this it is only looked through.")] = False,
    as_json: JSON = False,
    data: DATA = None,
    database: DATABASE = None,
) -> None:
    """A register (姓名 性别 出生日期 楼栋 房号, may: 电话 卡号 网格 标签 编号); one wrong line and nothing enters."""
    from hub.main.admin import _with_store

    entered, wrong = _with_store(data, database, lambda store: run(store, file.read_bytes(), area, take=take))
    if as_json:
        body = {"taken": take and not wrong, "problems": [{"line": one.line, "why": one.why} for one in wrong]}
        known = {"homes": entered.homes, "residents": entered.residents, "changed": entered.changed}
        typer.echo(json.dumps(body | known | {"known": entered.known}, ensure_ascii=False))
    else:
        for one in wrong[: census.PROBLEMS_MAX]:
            typer.echo(_("Line {line}: {why}").format(line=one.line, why=one.why), err=True)
        typer.echo(_said(entered, len(wrong), take))
    if wrong:
        raise typer.Exit(1)


def run(
    store: Store, body: bytes, area: str, *, take: bool, breath_s: float = BREATH_S
) -> tuple[Entered, list[Problem]]:
    """Look through all of it; then, if that is wanted and every line is right, enter it page by page."""
    table, wrong = census.lines(body, store.clock.now().astimezone(ZONE).date())
    wrong += store.read_now(lambda read: census.check(read, area, table))
    entered = Entered()
    if not wrong and take:
        for page in census.pages(table):
            entered += store.write_now(partial(census.enter, area=area, page=page), Actor("cli"))
            time.sleep(breath_s)
    elif not wrong:
        entered = Entered(residents=len(table))
    return entered, sorted(wrong, key=lambda one: one.line)


def _said(entered: Entered, wrong: int, take: bool) -> str:
    if wrong:
        return _("{n} lines are wrong; nothing was entered").format(n=wrong)
    if not take:
        return _("{n} lines can be entered; say so with --take").format(n=entered.residents)
    return _(
        "{residents} residents in {homes} new homes entered, {changed} put right, {known} were there already"
    ).format(residents=entered.residents, homes=entered.homes, changed=entered.changed, known=entered.known)


def listing(area: AREA, as_json: JSON = False, data: DATA = None, database: DATABASE = None) -> None:
    """Ids, doors and masked names: an id is what `linli user invite resident` asks for."""
    from hub.main.admin import _print, _read

    _print([*_read(data, database, lambda read: census.listing(read, area))], as_json)
