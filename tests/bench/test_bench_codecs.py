"""The codec bench knows every codec by itself, and its rows are figures."""

from __future__ import annotations

from bench import codecs
from devices.codecs import all_codecs


def test_every_codec_is_a_row_of_the_bench() -> None:
    found = codecs.rows(passes=1, seconds=0.0001)
    assert [each.codec for each in found] == sorted(all_codecs())
    assert all(min(each.decode_us, each.encode_us, each.judge_us, each.fields_us, each.ratio) > 0 for each in found)
