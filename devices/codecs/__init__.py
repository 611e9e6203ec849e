"""Codecs: one file per wire format. The folder is the registry; adding a format adds a file and edits no list.

Somebody else's package may bring more under the entry point group `linli.codecs`, each a module like those here. It is
asked only for an id the folder does not have: nobody can put another meaning on a format of ours.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from devices.base import Codec, DecodeError

if TYPE_CHECKING:
    from devices.profile import Profile


log = logging.getLogger(__name__)
GROUP = "linli.codecs"
NEEDED = ("ID", "VERSION", "FLAGS", "EXAMPLES", "REJECTS", "decode", "encode", "fields")


def codec(codec_id: str) -> Codec:
    """The codec of this id; DecodeError("unknown-codec") where there is none."""
    found = _found(codec_id)
    if found is None:
        raise DecodeError("unknown-codec", codec=codec_id)
    return found


def scrub_of(codec_id: str) -> Callable[[bytes, Profile], bytes] | None:
    """How a format drops what names a person before anything is kept; None where its frames cannot name one."""
    return cast("Callable[[bytes, Profile], bytes] | None", getattr(_found(codec_id), "scrub", None))


def _found(codec_id: str) -> Codec | None:
    return all_codecs().get(codec_id) or foreign_codecs().get(codec_id)


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


@cache
def foreign_codecs() -> Mapping[str, Codec]:
    """Codecs of other packages. One that cannot be loaded or is not whole is left out and named in the log."""
    from importlib.metadata import entry_points  # a twentieth of a second that a start without strangers does not pay

    found: dict[str, Codec] = {}
    for entry in entry_points(group=GROUP):
        try:
            module = entry.load()
        except Exception:
            log.exception("a codec of another package could not be loaded", extra={"codec": entry.name})
            continue
        missing = [name for name in NEEDED if not hasattr(module, name)]
        if missing or module.ID in all_codecs() or module.ID in found:
            log.error("a codec of another package is left out", extra={"codec": entry.name, "missing": missing})
            continue
        found[module.ID] = cast(Codec, module)
    return found
