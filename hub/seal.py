"""Seal names, phones and health values at rest: AES-256-GCM, the key in a file outside the database and its backup.

A sealed field is `version byte | 12-byte nonce | ciphertext and tag`; its additional data is the field's own name, so a
sealed phone cannot be pasted where a name belongs. Where one must search, an HMAC column stands beside (`mark`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from hub.errors import Unavailable
from hub.i18n import _

KEY_BYTES = 32
_VERSION = b"\x01"


class Seal:
    def __init__(self, key: bytes) -> None:
        if len(key) != 2 * KEY_BYTES:
            raise Unavailable(_("The seal key must be 64 bytes long; restore keys/seal.key from where you keep it"))
        self._aead = AESGCM(key[:KEY_BYTES])
        self._mark_key = key[KEY_BYTES:]

    @classmethod
    def open(cls, path: Path) -> Seal:
        """Read the key file, or make it (mode 600) where there is none yet."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(2 * KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
        return cls(path.read_bytes())

    def close(self, plain: bytes, field: str) -> bytes:
        # A random nonce from the operating system even under a seeded Rng: GCM breaks open if one ever repeats.
        nonce = os.urandom(12)
        return _VERSION + nonce + self._aead.encrypt(nonce, plain, field.encode())

    def close_all(self, plains: Iterable[bytes], field: str) -> list[bytes]:
        """The same for a batch: one call for all its nonces, which is half the price of sealing."""
        listed = list(plains)
        nonces = memoryview(os.urandom(12 * len(listed)))
        encrypt, name, sealed = self._aead.encrypt, field.encode(), []
        for place, plain in enumerate(listed):
            nonce = bytes(nonces[12 * place : 12 * place + 12])
            sealed.append(_VERSION + nonce + encrypt(nonce, plain, name))
        return sealed

    def read(self, sealed: bytes, field: str) -> bytes:
        try:
            return self._aead.decrypt(sealed[1:13], bytes(sealed[13:]), field.encode())
        except InvalidTag:
            raise Unavailable(
                _("A sealed field cannot be opened: keys/seal.key does not belong to this database")
            ) from None

    def mark(self, text: str, field: str) -> str:
        """The same text always gives the same 32 hex characters, which tell nothing without the key."""
        return hmac.new(self._mark_key, f"{field}|{text}".encode(), hashlib.sha256).hexdigest()[:32]


class SealedText(TypeDecorator[str]):
    """A text column whose content only the key holder can read. The key hangs on the engine's dialect (db.py)."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, field: str) -> None:
        super().__init__()
        self.field = field

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        seal: Seal = dialect.linli_seal  # type: ignore[attr-defined]
        return seal.close(value.encode(), self.field)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        seal: Seal = dialect.linli_seal  # type: ignore[attr-defined]
        return seal.read(bytes(value), self.field).decode()
