"""The table of clauses is whole, and what it names is there and says which clause it is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.broker.clauses import ABSENT, CLIENT, MQTT_3_1_1, MQTT_5, SECTIONS_3, SECTIONS_5
from tests.sources import ROOT, text, tree

HERE = ROOT / "tests" / "broker"


def statements(sections: str) -> Iterator[str]:
    for section, span in (part.split(":") for part in sections.split()):
        first, last = map(int, span.split("-"))
        yield from (f"{section}-{number}" for number in range(first, last + 1))


@cache
def named_in(stem: str) -> dict[str, str]:
    """Name of each test of a file, with its docstring and the tables its decorators name."""
    path = HERE / f"test_{stem}.py"
    module = tree(path)
    tables = {
        node.targets[0].id: ast.get_source_segment(text(path), node) or ""
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            words = [ast.get_docstring(node) or ""]
            used = [name.id for one in node.decorator_list for name in ast.walk(one) if isinstance(name, ast.Name)]
            while used:
                table = tables.pop(used.pop(), "")
                words.append(table)
                used += [name for name in tables if re.search(rf"\b{name}\b", table)]
            found[node.name] = " ".join(" ".join(words).split())
    return found


@pytest.mark.parametrize(
    ("table", "sections", "count"), [(MQTT_5, SECTIONS_5, 251), (MQTT_3_1_1, SECTIONS_3, 141)], ids=["5", "3.1.1"]
)
def test_no_statement_is_missing(table: dict[str, str], sections: str, count: int) -> None:
    assert list(table) == list(statements(sections))
    assert len(table) == count


@pytest.mark.parametrize(("table", "mark"), [(MQTT_5, "["), (MQTT_3_1_1, "[3.1.1: ")], ids=["5", "3.1.1"])
def test_every_named_test_exists_and_names_its_statement(table: dict[str, str], mark: str) -> None:
    wrong = []
    for number, told in table.items():
        if told.startswith((f"{CLIENT}: ", f"{ABSENT}: ")):
            continue
        stem, _, name = told.partition("::")
        words = named_in(stem).get(name)
        printed = "3-8.3-4" if (number, mark) == ("3.8.3-4", "[3.1.1: ") else number
        if words is None or f"{mark}MQTT-{printed}]" not in words:
            wrong.append(f"{number}: {told}")
    assert not wrong


def test_few_statements_are_without_a_test() -> None:
    """Those that bind the client, and those about what we do not offer."""
    without = [told for table in (MQTT_5, MQTT_3_1_1) for told in table.values() if told.startswith((CLIENT, ABSENT))]
    assert len(without) == 26
    assert sum(told.startswith(ABSENT) for told in without) == 7
