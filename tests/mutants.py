"""A mutation run by hand: how many small faults in one module do its tests notice?

    python -m tests.mutants hub/civic/points/ledger.py tests/points/test_points_ledger.py ... [--sample 40] [--seed 1]

Each mutant changes one thing: a comparison, an operator, a constant, a condition, or drops a statement. It lives in a
copy of the tree. What survives is printed with its line, for a person to look at: some change nothing anybody can see.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.planting import copy_tree

TEST_TIMEOUT_S = 300
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


def survives(tree: Path, module: str, text: str, tests: list[str]) -> bool:
    (tree / module).write_text(text, encoding="utf-8")
    words = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    here = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            words, cwd=tree, env=here, capture_output=True, timeout=TEST_TIMEOUT_S, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--sample", type=int, default=0, help="so many of them, drawn by the seed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    source = Path(words.module).read_text(encoding="utf-8")
    found = list(mutants(source))
    if words.sample:
        found = random.Random(words.seed).sample(found, min(words.sample, len(found)))
    lived = 0
    with tempfile.TemporaryDirectory(prefix="linli-mutants-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        for number, (line, what, text) in enumerate(found, 1):
            if survives(tree, words.module, text, words.tests):
                lived += 1
                print(f"lives: {words.module}:{line} {what}", flush=True)
            print(f"{number - lived} of {number} killed", flush=True)
    print(f"{len(found) - lived} of {len(found)} killed: {100 * (len(found) - lived) / max(1, len(found)):.0f} %")


if __name__ == "__main__":
    main()
