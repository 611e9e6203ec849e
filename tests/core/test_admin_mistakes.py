"""What an operator mistypes is one sentence, and nothing of it is entered."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.keyfile import kept
from hub.main import admin
from tests.world import KEY, LIUHE, make_store, people

WORD = ["--full-name", "张三", "--password", "a-long-word-9"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mistakes")
    kept(made / "keys" / "seal.key", lambda: KEY)
    store = make_store(made)
    store.write_now(people)
    store.close()
    return made


@pytest.mark.parametrize(
    ("group", "words"),  # alone, a group of one command takes no word for it
    [
        ("area", ["create", "420802002009", "kingdom", "某地", "Somewhere", "--parent", "420802002000"]),
        ("user", ["create", "zhang", "--role", "king", "--area", LIUHE, *WORD]),
        ("user", ["create", "zhang", "--role", "staff", "--area", "420899999999", *WORD]),
        ("token", ["--role", "king", "--area", LIUHE]),
        ("token", ["--role", "staff", "--area", "99"]),
        ("gateway", ["create", "gw-9", "--area", "99"]),
        ("screen", ["s-9", "--area", "99"]),
    ],
)
def test_a_mistyped_word_is_one_sentence(folder: Path, group: str, words: list[str]) -> None:
    done = CliRunner().invoke(getattr(admin, group), [*words, "--data", str(folder)])
    assert (done.exit_code, done.stderr.count("\n"), done.stdout) == (1, 1, "")


def test_a_login_name_is_given_once(folder: Path) -> None:
    words = ["create", "zhao", "--role", "staff", "--area", LIUHE, *WORD, "--data", str(folder)]
    first, again = (CliRunner().invoke(admin.user, words) for _turn in range(2))
    assert (first.exit_code, again.exit_code, again.stderr.count("\n")) == (0, 1, 1)
