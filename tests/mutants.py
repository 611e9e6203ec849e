"""A mutation run by hand: how many small faults in one module do its tests notice?

    python -m tests.mutants hub/civic/points/ledger.py tests/points/test_points_ledger.py ... [--sample 40] [--seed 1]

Each mutant changes one thing: a comparison, an operator, a constant, a condition, or drops a statement. It lives in a
copy of the tree; a process that has the libraries and an empty store ready forks for each, so a mutant costs the tests
alone. What survives is printed with its line, for a person to look at: some change nothing anybody can see.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import cache_from_source
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

import pytest

from tests.planting import copy_tree

MUTANT_S = 120  # of CPU time: what runs longer than all its tests together hangs
READY = ("hypothesis.stateful", "sqlalchemy.orm", "sqlmodel", "alembic.command", "fastapi", "psycopg")
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, what was changed, and the whole changed text."""
    tree = ast.parse(source)
    for place, node in enumerate(ast.walk(tree)):
        for what, _change in _changes(node):
            changed = copy.deepcopy(tree)
            twin = next(each for number, each in enumerate(ast.walk(changed)) if number == place)
            dict(_changes(twin))[what]()
            line = getattr(node, "lineno", 0)
            yield line, what, ast.unparse(ast.fix_missing_locations(changed))


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        yield f"{type(node.ops[0]).__name__} turned", lambda: node.ops.__setitem__(0, _SWAPS[type(node.ops[0])]())
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _SWAPS:
        yield f"{type(node.op).__name__} turned", lambda: setattr(node, "op", _SWAPS[type(node.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus dropped", lambda: setattr(node, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        value = node.value
        yield "constant", lambda: setattr(node, "value", not value if isinstance(value, bool) else value + 1)
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.FunctionDef | ast.If | ast.For):
        for number, each in enumerate(node.body):
            said = isinstance(each, ast.Expr) and not isinstance(each.value, ast.Constant)
            if said or isinstance(each, ast.Raise):
                yield f"statement {number} dropped", lambda n=number: node.body.__setitem__(n, ast.Pass())


class Nest:
    """A copy of the tree with a process in it that forks one test run for each mutant it is told of."""

    def __init__(self, module: str, tests: list[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="linli-mutants-"))
        copy_tree(self._folder)
        self._place = self._folder / module
        here = {**os.environ, "PYTHONPATH": str(self._folder), "PYTHONPYCACHEPREFIX": str(self._folder / ".pyc")}
        here.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.mutants", "--nest", module, *tests], cwd=self._folder, env=here,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Nest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def survives(self, text: str) -> bool:
        """Whether the tests pass with this text as the module."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._place.write_text(text, encoding="utf-8")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline() == "passed\n"


def brood(module: str, tests: list[str]) -> None:
    """In the nest: one line in, a fork, one line out."""
    for name in READY:
        importlib.import_module(name)
    template = Path(".template.db").resolve()
    if os.fork() == 0:
        from tests import world

        shutil.copy(world._template(), template)
        os._exit(0)
    os.wait()
    stale = Path(cache_from_source(str(Path(module).resolve())))
    for _line in sys.stdin:
        stale.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            _test(module, tests, template)
        status = os.waitpid(child, 0)[1]
        print("passed" if status == 0 else "failed", flush=True)


def _test(module: str, tests: list[str], template: Path) -> None:
    """In the fork; its end is the process's own, with whatever the tests have started."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (MUTANT_S, MUTANT_S))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    status = 1
    try:
        if not module.endswith("guards.py"):  # the store is made by them
            from tests import world

            world._template = lambda: template  # type: ignore[assignment]
        words = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "faulthandler_timeout=0"]
        words += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # its plug-ins are in memory before it looks
        status = int(pytest.main([*words, *tests]) != 0)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        os._exit(status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--sample", type=int, default=0, help="so many of them, drawn by the seed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--nest", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.nest:
        brood(words.module, words.tests)
        return
    source = Path(words.module).read_text(encoding="utf-8")
    found = list(mutants(source))
    if words.sample:
        found = random.Random(words.seed).sample(found, min(words.sample, len(found)))
    with ExitStack() as stack, ThreadPoolExecutor(words.at_once) as threads:
        nests: SimpleQueue[Nest] = SimpleQueue()
        made = [stack.enter_context(Nest(words.module, words.tests)) for _ in range(words.at_once)]
        if not made[0].survives(source):
            sys.exit("the tests fail without a mutant")
        for nest in made:
            nests.put(nest)

        def lives(mutant: tuple[int, str, str]) -> bool:
            nest = nests.get()
            found = nest.survives(mutant[2])
            nests.put(nest)
            if found:
                print(f"lives: {words.module}:{mutant[0]} {mutant[1]}", flush=True)
            return found

        lived = sum(threads.map(lives, found))
    print(f"{len(found) - lived} of {len(found)} killed: {100 * (len(found) - lived) / max(1, len(found)):.0f} %")


if __name__ == "__main__":
    main()
