"""Codecs: one file per wire format. The folder is the registry; adding a format adds a file and edits no list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import cast

from devices.base import Codec, DecodeError


def codec(codec_id: str) -> Codec:
    """The codec of this id; DecodeError("unknown-codec") where there is none."""
    found = all_codecs().get(codec_id)
    if found is None:
        raise DecodeError("unknown-codec", codec=codec_id)
    return found


@cache
def all_codecs() -> Mapping[str, Codec]:
    """Every codec of the folder by its id."""
    codecs: dict[str, Codec] = {}
    for module in pkgutil.iter_modules(__path__):
        found = cast(Codec, importlib.import_module(f"{__name__}.{module.name}"))
        if found.ID in codecs:
            raise ValueError(f"two files in {__name__} call themselves {found.ID}")
        codecs[found.ID] = found
    return codecs
