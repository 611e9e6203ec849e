"""Codecs: one file per wire format. The folder is the registry; adding a format adds a file and edits no list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from devices.base import Codec, DecodeError

if TYPE_CHECKING:
    from devices.profile import Profile


def codec(codec_id: str) -> Codec:
    """The codec of this id; DecodeError("unknown-codec") where there is none."""
    found = all_codecs().get(codec_id)
    if found is None:
        raise DecodeError("unknown-codec", codec=codec_id)
    return found


def scrub_of(codec_id: str) -> Callable[[bytes, Profile], bytes] | None:
    """How a format drops what names a person before anything is kept; None where its frames cannot name one."""
    return cast("Callable[[bytes, Profile], bytes] | None", getattr(all_codecs().get(codec_id), "scrub", None))


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
