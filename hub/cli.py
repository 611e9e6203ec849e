"""The command line. Quick commands stay quick: whatever is heavy is imported inside the command that needs it.

Commands that act on a community (area, device, user, ...) live in `hub/main/admin.py`, those that imitate the outside
world in `simulators/cli.py`; both are loaded only when the first word is not one of the quick commands here.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hub.settings import FILE_NAME, Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("demo", "serve", "settings", "doctor", "test", "check", "font", "bench", "replay")
DEMO_STAYS = (
    "演示的登录地址谁拿到都能用；要让家里的电视和手机访问，请用 linli demo --lan / "
    "whoever has the demo's addresses is signed in; for the house network use linli demo --lan"
)
SIMULATE = "Any part of the outside world, seeded, against any hub."
CODE = ("devices", "channels", "hub", "web", "simulators", "tests", "bench", "linli")

app = typer.Typer(
    name="linli",
    help="Linli 邻里: readings from health huts in, notices and points out, and proof of both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Role(StrEnum):
    all = "all"
    front = "front"
    ingest = "ingest"
    web = "web"
    deliver = "deliver"


Data = Annotated[Path | None, typer.Option("--data", help="Keep everything in this folder and resume from it.")]
HttpPort = Annotated[int | None, typer.Option("--port", help="Port of the web pages; the next free one if taken.")]
MqttPort = Annotated[int | None, typer.Option("--mqtt-port", help="Port of the MQTT front door.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output, words on standard error.")]


def effective(**flags: object) -> Settings:
    """Settings of this call: flags, then LINLI_* variables, then linli.toml of the working folder, then defaults."""
    return load(flags, os.environ, Path.cwd() / FILE_NAME)


@app.command()
def demo(
    port: HttpPort = None,
    mqtt_port: MqttPort = None,
    data: Data = None,
    seed: Annotated[int | None, typer.Option(help="Another seed is another community.")] = None,
    speed: Annotated[float | None, typer.Option(help="How many times faster than life the community lives.")] = None,
    as_json: AsJson = False,
    stage: Annotated[bool, typer.Option("--stage/--no-stage", help="Serve /stage, all screens side by side.")] = True,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the stage in this machine's browser.")] = False,
    lan: Annotated[bool, typer.Option("--lan", help="Let the house network's television and phone in.")] = False,
) -> None:
    """Everything on one machine with a living community; prints addresses and one-time logins."""
    settings = effective(http_port=port, mqtt_port=mqtt_port, data_dir=data, seed=seed, speed=speed)
    if not lan and not (settings.http_host in ("localhost", "::1") or settings.http_host.startswith("127.")):
        _tell(DEMO_STAYS)
        raise typer.Exit(1)
    _make_font(settings)
    from hub.main.demo import run

    run(settings, json_out=as_json, stage=stage, open_browser=open_browser, lan=lan)


@app.command()
def serve(
    role: Annotated[list[Role] | None, typer.Option(help="Which part this process carries; repeatable.")] = None,
    database: Annotated[str | None, typer.Option(help="Database URL; empty: SQLite in the data folder.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Your own MQTT broker; empty: the embedded front door.")] = None,
    data: Data = None,
    port: HttpPort = None,
    mqtt_port: MqttPort = None,
) -> None:
    """The hub for real use: no simulators, no demo logins, no stage."""
    settings = effective(http_port=port, mqtt_port=mqtt_port, data_dir=data, database_url=database, mqtt_url=mqtt)
    roles = tuple(each.value for each in role or [Role.all])
    if {"all", "web"} & set(roles):  # a worker that only takes readings in shows nothing
        _make_font(settings)
    from hub.main.serve import run

    run(settings, roles=roles)


@app.command("settings")
def show_settings(as_json: AsJson = False) -> None:
    """Every knob: its value in force, where that comes from, and why the default is what it is."""
    rows = effective().describe()
    if as_json:
        _print_json(
            [{"name": row.name, "value": row.value, "source": row.source, "reason": row.reason} for row in rows]
        )
        return
    _table(("setting", "value", "from", "reason"), [(row.name, row.value, row.source, row.reason) for row in rows])


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What is wrong on this machine, and how to mend it."""
    from hub.doctor import examine

    found = list(examine(effective()))
    if as_json:
        _print_json([{"what": one.what, "level": one.level, "says": one.says, "mend": one.mend} for one in found])
    else:
        _table(("", "what", "found", "mend by"), [(one.level, one.what, one.says, one.mend) for one in found])
    if any(one.level == "bad" for one in found):
        raise typer.Exit(1)


@app.command()
def replay(
    seed: Annotated[str, typer.Argument(help="The same seed is the same night, to the last byte.")],
    minutes: Annotated[float, typer.Option(min=0.2, max=1440.0, help="How long the night is, in its own time.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """A night of this hub on virtual time, with everything that goes wrong outside; prints its story and its hash."""
    from hub.main.replay import run

    if not run(seed, minutes, as_json=as_json, say=typer.echo, tell=_tell):
        raise typer.Exit(1)


@app.command("font")
def make_font() -> None:
    """Cut the Chinese font for screens and TV slides, once."""
    from hub.font import FontUnavailable, subset

    try:
        subset(effective().state_dir, typer.echo)
    except FontUnavailable as error:
        _stop(str(error))


PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command("test", context_settings=PASS_ON)
def run_tests(context: typer.Context) -> None:
    """Run the tests; further words go to pytest. With --planted: plant each known bug and see its test go red."""
    _checkout_only()
    words = context.args
    if words[:1] == ["--planted"]:
        raise typer.Exit(_run([sys.executable, "-m", "tests.planting", *words[1:]]))
    raise typer.Exit(_run(_pytest(words)))


@app.command()
def check() -> None:
    """Format, lint, types, import contracts, then all tests: what CI runs."""
    _checkout_only()
    code = [name for name in CODE if (ROOT / name).exists()]
    tools = Path(sys.executable).parent
    steps = {
        "format": [str(tools / "ruff"), "format", "--check", *code],
        "lint": [str(tools / "ruff"), "check", *code],
        "types": [sys.executable, "-m", "mypy"],
        "imports": [str(tools / "lint-imports"), "--no-logo"],
    }
    failed = []
    for name, words in steps.items():
        typer.echo(f"== {name}")
        if _run(words):
            failed.append(name)
    typer.echo("== tests")
    if _run(_pytest([])):
        failed.append("tests")
    if failed:
        _stop(f"not clean yet: {', '.join(failed)}; what each found stands above")


@app.command(context_settings=PASS_ON)
def bench(context: typer.Context) -> None:
    """Ratios against peers in one run: a name from bench/, or nothing for the list."""
    _checkout_only()
    names = sorted(path.stem for path in (ROOT / "bench").glob("[a-z]*.py"))
    if not context.args or context.args[0] not in names:
        _stop(f"say which: {', '.join(names) or 'there is none yet'}")
    raise typer.Exit(_run([sys.executable, "-m", f"bench.{context.args[0]}", *context.args[1:]]))


def _pytest(words: Sequence[str]) -> list[str]:
    # The whole suite on one worker more than the smallest machine has cores (tests/conftest.py deals it out): much of
    # it waits for a browser or a process.
    whole = [] if words else ["-n", "3", "--no-loadscope-reorder"]
    return [sys.executable, "-m", "pytest", "-q", "--durations=10", *whole, *words]


def _make_font(settings: Settings) -> None:
    from hub.font import FontUnavailable, subset

    try:
        subset(settings.state_dir, _tell)
    except FontUnavailable as error:
        _tell(f"font: {error}")


def _checkout_only() -> None:
    if not (ROOT / "tests" / "conftest.py").exists():
        _stop("this command needs the source checkout; the installed program carries no tests")


def _run(words: Sequence[str]) -> int:
    return subprocess.run(words, cwd=ROOT, check=False).returncode


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))  # a plain word's brackets are no markup: 'psycopg[binary]' stays whole
    # Into a file or a pipe a row stays on its line, so that grep finds it whole.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _stop(sentence: str) -> NoReturn:
    _tell(f"linli: {sentence}")
    raise typer.Exit(1)


def attach_rest() -> None:
    """The commands that need the whole hub, or the whole outside world, behind them."""
    from hub.main.admin import register
    from simulators.cli import app as simulate

    register(app)
    app.add_typer(simulate, name="simulate", help=SIMULATE)


def outline() -> dict[str, str]:
    """The groups of `attach_rest` with their help, read from the sources: an overview needs nothing behind them."""
    said = {}
    for node in ast.parse((ROOT / "hub" / "main" / "admin.py").read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(
                [ast.Name(name)], ast.Call(ast.Attribute(attr="Typer"), [], [ast.keyword("help", text), *_])
            ):
                said[name] = ast.literal_eval(text)
    return {**said, "simulate": SIMULATE}


def main() -> None:
    from hub.errors import LinliError

    first = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        if not first:
            for name, said in outline().items():
                app.add_typer(typer.Typer(help=said), name=name)
        elif first not in QUICK:
            attach_rest()
        app(prog_name="linli")
    except (SettingsError, LinliError) as error:
        sys.exit(f"linli: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (why := _no_store(error)) is None:
            raise
        sys.exit(f"linli: {why}; `linli doctor` looks further")


def _no_store(error: Exception) -> str | None:
    """A database that cannot be reached, opened or written is the operator's to mend: a sentence, no traceback."""
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import OperationalError

    from hub.disk import why

    return why(error) if isinstance(error, OperationalError) else None
