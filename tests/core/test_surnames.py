"""How a person is addressed: surname and title, in the letters of the reader's language."""

from __future__ import annotations

from hub.directory import greeting
from hub.i18n import speaking
from hub.surnames import ROMAN, of


def test_an_english_screen_spells_a_surname_in_latin_letters() -> None:
    with speaking("en"):
        assert greeting("谢秀英", "f", 78) == "Ms Xie"
        assert greeting("欧阳建国", "m", 40) == "Mr Ouyang"


def test_a_surname_of_two_characters_stays_whole() -> None:
    with speaking("zh"):
        assert greeting("欧阳桂兰", "f", 80) == "欧阳奶奶"
        assert greeting("王桂兰", "f", 80) == "王奶奶"
    assert of("东方") == "东", "with one character left for the given name, two cannot be the surname"


def test_a_rare_surname_stays_as_it_is_written() -> None:
    assert "淳" not in ROMAN
    with speaking("en"):
        assert greeting("淳于", "m", 30) == "Mr 淳"


def test_every_surname_is_spelt_once() -> None:
    assert all(letters.isalpha() and letters[0].isupper() for letters in ROMAN.values())
    assert all(1 <= len(surname) <= 2 for surname in ROMAN)
