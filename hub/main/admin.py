"""The commands of `linli` that act on a community: areas, residents, devices, gateways, screens, kiosks, users, tokens.

They write to the same store as a running hub, which notices within a second (registry stamp). Secrets are printed once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from hub import directory, lifecycle, login, migrations, registry, soundness
from hub.access import ROLES
from hub.db import Actor, Read, Store, Tx
from hub.disk import why as why_not
from hub.errors import Conflict, LinliError, NotFound, Refused
from hub.i18n import _
from hub.main import backups, residents
from hub.main.blegate import commands as blegate
from hub.main.wiring import open_store
from hub.settings import Settings

T = TypeVar("T")
OPERATOR = Actor("cli")
Data = Annotated[Path | None, typer.Option("--data", help="The hub's data folder.")]
Database = Annotated[str | None, typer.Option("--database", help="Database URL; empty: SQLite in the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def _settings(data: Path | None, database: str | None) -> Settings:
    from hub.cli import effective

    return effective(data_dir=data, database_url=database)


def _with_store(data: Path | None, database: str | None, work: Callable[[Store], T]) -> T:
    settings, store = _settings(data, database), None
    try:
        store = open_store(settings)
        return work(store)
    except LinliError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from None
    except OperationalError as error:
        typer.echo(_("The store cannot be used now: {why}").format(why=_(why_not(error))), err=True)
        raise typer.Exit(1) from None
    finally:
        if store is not None:
            store.close()


def _write(data: Path | None, database: str | None, work: Callable[[Tx], T]) -> T:
    return _with_store(data, database, lambda store: store.write_now(work, OPERATOR))


def _read(data: Path | None, database: str | None, work: Callable[[Read], T]) -> T:
    return _with_store(data, database, lambda store: store.read_now(work))


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo("  ".join(f"{key}={value}" for key, value in row.items() if value not in (None, "")))
    if not rows:
        typer.echo(_("Nothing here yet"))


def _among(word: str, known: Sequence[str]) -> str:
    """A mistyped role would be entered, hold nothing, and be looked for for an hour."""
    if word not in known:
        raise Refused(_("There is no {word}; there are {known}").format(word=word, known=", ".join(known)))
    return word


def _once(body: dict[str, str], as_json: bool) -> None:
    """Print a secret: this once, then only its hash is kept."""
    if as_json:
        typer.echo(json.dumps(body))
        return
    for key, value in body.items():
        typer.echo(f"{key}: {value}")
    typer.echo(_("This secret is shown once; keep it where it is needed"), err=True)


db = typer.Typer(help="The store: upgrade, verify, back up, restore, keep a damaged one aside.", no_args_is_help=True)
area = typer.Typer(help="The area tree.", no_args_is_help=True)
device = typer.Typer(help="Devices behind gateways.", no_args_is_help=True)
gateway = typer.Typer(help="Gateways of huts: their passwords, and the program of a hut's box.", no_args_is_help=True)
screen = typer.Typer(help="Screens that read the signed board over MQTT.", no_args_is_help=True)
resident = typer.Typer(help="Residents and their homes: from a register, as a list.", no_args_is_help=True)
kiosk = typer.Typer(help="Kiosk screens of huts.", no_args_is_help=True)
integrator = typer.Typer(help="MQTT accounts of other systems.", no_args_is_help=True)
user = typer.Typer(help="Staff and their passwords.", no_args_is_help=True)
token = typer.Typer(help="API tokens: one role within one area.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    blegate.register(gateway)
    residents.register(resident)
    backups.register(db)
    for name, group in (
        ("db", db),
        ("area", area),
        ("device", device),
        ("gateway", gateway),
        ("screen", screen),
        ("resident", resident),
        ("kiosk", kiosk),
        ("integrator", integrator),
        ("user", user),
        ("token", token),
    ):
        app.add_typer(group, name=name)
    app.command("why")(why)


def why(
    ident: Annotated[str, typer.Argument(help="Of a reading, an alarm, a notice, a delivery, an event, a posting.")],
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """How it came to be: every step from a device's frame or a person's signature, and what followed."""
    from hub.main.asking import ask

    _with_store(data, database, lambda store: ask(store, ident, as_json=as_json))


@db.command("upgrade")
def db_upgrade(data: Data = None, database: Database = None) -> None:
    """Bring the store to the version this program needs."""
    version = _with_store(data, database, migrations.current)
    typer.echo(_("The store is at version {version}").format(version=version))


@db.command("verify")
def db_verify(data: Data = None, database: Database = None) -> None:
    """Look at the whole store: structure, seals, frames, audit chain; exits with 1 if anything is not as written."""
    found = _read(data, database, lambda read: list(soundness.faults(read)))
    for sentence in found:
        typer.echo(sentence, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo(_("The store is whole, and so is the audit log"))


@db.command("setaside")
def db_setaside(data: Data = None) -> None:
    """Keep a damaged store under another name; the next start begins with a new one. Stop the hub first."""
    settings = _settings(data, None)
    file = Path(settings.database.removeprefix("sqlite:///"))
    if not settings.database.startswith("sqlite:///") or not file.exists():
        typer.echo(_("There is no SQLite store there"), err=True)
        raise typer.Exit(1)
    typer.echo(str(soundness.set_aside(file, datetime.now(UTC))))


@area.command("create")
def area_create(
    code: str, kind: str, zh: str, en: str, parent: str = "", data: Data = None, database: Database = None
) -> None:
    """Add an area below its parent."""

    def make(tx: Tx) -> None:
        directory.found_area(tx, code, _among(kind, directory.KINDS), zh, en, parent or None)

    _write(data, database, make)
    typer.echo(code)


@area.command("list")
def area_list(as_json: AsJson = False, data: Data = None, database: Database = None) -> None:
    def rows(read: Read) -> list[dict[str, Any]]:
        found = read.session.exec(select(directory.Area).order_by(col(directory.Area.path)))
        return [{"code": each.code, "kind": each.kind, "zh": each.zh, "en": each.en} for each in found]

    _print(_read(data, database, rows), as_json)


@gateway.command("create")
def gateway_create(
    ident: str,
    area_code: Annotated[str, typer.Option("--area")],
    hut: Annotated[str | None, typer.Option(help="The hut it stands in; made if new.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a gateway and print its password, this once."""

    def make(tx: Tx) -> str:
        directory.area(tx, area_code)
        if hut and tx.session.get(registry.Hut, hut) is None:
            registry.found_hut(tx, hut, area_code, hut, hut)
        return registry.add_gateway(tx, ident, area_code, hut)

    _once({"user": ident, "password": _write(data, database, make)}, as_json)


@gateway.command("rotate")
def gateway_rotate(
    ident: str,
    overlap_s: Annotated[int, typer.Option(help="Seconds the old password still works; 0 cuts it at once.")] = 0,
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """A new password; connections under the old one are cut, at once or when the overlap ends."""
    password = _write(data, database, lambda tx: registry.rotate_credential(tx, ident, overlap_s=overlap_s))
    _once({"user": ident, "password": password}, as_json)


@gateway.command("revoke")
def gateway_revoke(ident: str, data: Data = None, database: Database = None) -> None:
    """Take the account away; its connections are cut within seconds."""
    _write(data, database, lambda tx: registry.revoke_credential(tx, ident))
    typer.echo(ident)


@gateway.command("list")
def gateway_list(as_json: AsJson = False, data: Data = None, database: Database = None) -> None:
    def rows(read: Read) -> list[dict[str, Any]]:
        found = read.session.exec(select(registry.Gateway).order_by(col(registry.Gateway.id)))
        return [{"id": each.id, "area": each.area, "hut": each.hut} for each in found]

    _print(_read(data, database, rows), as_json)


@device.command("create")
def device_create(
    ident: str,
    gateway_id: Annotated[str, typer.Option("--gateway")],
    profile: Annotated[str, typer.Option(help="A file of devices/profiles/.")],
    serial: str | None = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a device behind a gateway."""
    _write(data, database, lambda tx: registry.add_device(tx, ident, gateway_id, profile, serial=serial))
    typer.echo(ident)


@device.command("list")
def device_list(as_json: AsJson = False, data: Data = None, database: Database = None) -> None:
    def rows(read: Read) -> list[dict[str, Any]]:
        found = read.session.exec(select(registry.Device).order_by(col(registry.Device.id)))
        return [
            {"id": each.id, "gateway": each.gateway, "profile": each.profile, "state": each.state} for each in found
        ]

    _print(_read(data, database, rows), as_json)


@device.command("state")
def device_state(ident: str, state: str, data: Data = None, database: Database = None) -> None:
    """Move a device: registered, provisioned, active, quarantined, retired."""
    _write(data, database, lambda tx: lifecycle.move(tx, ident, state, "cli"))
    typer.echo(f"{ident} {state}")


@screen.command("create")
def screen_create(
    ident: str,
    area_code: Annotated[str, typer.Option("--area")],
    loudspeaker: Annotated[bool, typer.Option(help="It speaks, and may report what it has said.")] = False,
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """An MQTT account that reads one area's board and the hub's state, nothing else."""
    kind = "speaker" if loudspeaker else "screen"

    def make(tx: Tx) -> str:
        return registry.grant_credential(tx, ident, kind, directory.area(tx, area_code).code)

    password = _write(data, database, make)
    _once({"user": ident, "password": password}, as_json)


@integrator.command("create")
def integrator_create(
    name: str,
    allow: Annotated[list[str], typer.Option(help="MQTT filter it may publish and subscribe to; repeatable.")],
    deny: Annotated[list[str] | None, typer.Option(help="Filter it may never touch; wins over --allow.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """An MQTT account for another system."""
    password = _write(
        data, database, lambda tx: registry.grant_credential(tx, name, "integrator", "", allow, deny or ())
    )
    _once({"user": name, "password": password}, as_json)


@kiosk.command("pair")
def kiosk_pair(hut: str, as_json: AsJson = False, data: Data = None, database: Database = None) -> None:
    """A one-time code that pairs the browser of a hut's kiosk: open /kiosk/HUT?pair=CODE on it."""

    def make(tx: Tx) -> str:
        return login.issue_code(tx, "kiosk", "kiosk", hut, area=registry.hut(tx, hut).area)

    code = _write(data, database, make)
    _once({"hut": hut, "code": code, "path": f"/kiosk/{hut}?pair={code}"}, as_json)


@user.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="What is typed at the login.")],
    role: Annotated[str, typer.Option(help="One of the roles of contracts.md 3.")],
    area_code: Annotated[str, typer.Option("--area")],
    full_name: Annotated[str, typer.Option(prompt=True)],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    data: Data = None,
    database: Database = None,
) -> None:
    """A member of staff with a login."""

    def make(tx: Tx) -> None:
        if tx.session.get(directory.Staff, f"s-{name}") is not None:
            raise Conflict(_("Somebody else signs in under this name; choose another"))
        where = directory.area(tx, area_code).code
        directory.hire(tx, f"s-{name}", full_name, f"p-{name}", [(_among(role, ROLES), where)])
        login.set_password(tx, name, "staff", f"s-{name}", password)

    _write(data, database, make)
    typer.echo(name)


@user.command("password")
def user_password(
    ident: Annotated[str, typer.Argument(help="The id of the member of staff.")],
    name: Annotated[str, typer.Argument(help="What is typed at the login.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    data: Data = None,
    database: Database = None,
) -> None:
    """A new password for a member of staff; without one nobody signs what two people answer for."""

    def give(tx: Tx) -> None:
        if tx.session.get(directory.Staff, ident) is None:
            raise NotFound(_("There is no such resident or member of staff"))
        login.give_password(tx, name, ident, password)

    _write(data, database, give)
    typer.echo(name)


@user.command("invite")
def user_invite(
    kind: Annotated[str, typer.Argument(help="resident or staff")],
    ident: Annotated[str, typer.Argument(help="The id of the resident or member of staff.")],
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """A one-time address that signs this person in, good for 15 minutes."""

    def make(tx: Tx) -> str:
        staff = kind == "staff" and tx.session.get(directory.Staff, ident) is not None
        resident = kind == "resident" and tx.session.get(directory.Resident, ident) is not None
        if not (staff or resident):
            raise NotFound(_("There is no such resident or member of staff"))
        return login.issue_code(tx, kind, kind, ident)

    code = _write(data, database, make)
    _once({"who": ident, "path": f"/login?code={code}"}, as_json)


@user.command("revoke")
def user_revoke(name: str, data: Data = None, database: Database = None) -> None:
    """Close a staff account and end its sessions."""

    def close(tx: Tx) -> None:
        row = tx.session.get(login.Login, name.lower())
        login.change_staff(tx, row.subject if row else name, active=False)

    _write(data, database, close)
    typer.echo(name)


@token.command("create")
def token_create(
    role: Annotated[str, typer.Option(help="The one role it carries.")],
    area_code: Annotated[str, typer.Option("--area", help="Where the role holds.")],
    emergency: Annotated[
        bool, typer.Option(help="It may sign emergencies; keep it where only a duty officer is.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """An API token, printed this once."""

    def make(tx: Tx) -> str:
        where = directory.area(tx, area_code).code
        return login.create_token(tx, _among(role, ROLES), where, emergencies=emergency)

    made = _write(data, database, make)
    _once({"role": role, "area": area_code, "token": made, "made": datetime.now(UTC).isoformat()}, as_json)
