"""WeChat's message cipher and signatures: AES-256-CBC with PKCS#7 to 32-byte blocks, SHA-1 over sorted parts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK_BYTES = 32  # not AES's 16: the official padding runs from 1 to 32
_CHANCE_BYTES = 16
_LENGTH_BYTES = 4


class BadCiphertext(ValueError):
    """The text was not encrypted with this key for this account."""


def signature(*parts: str) -> str:
    """Over the callback token, timestamp, nonce and, in AES mode, the ciphertext."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def is_signed(given: str, *parts: str) -> bool:
    """In constant time: the answer's delay must not spell the right signature."""
    return hmac.compare_digest(given.encode(), signature(*parts).encode())


@dataclass(frozen=True)
class MessageCipher:
    appid: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, appid: str, encoding_aes_key: str) -> MessageCipher:
        """From the 43 characters of the official account's settings page."""
        try:
            key = base64.b64decode(encoding_aes_key + "=", validate=True)
        except ValueError as fault:
            raise ValueError("the EncodingAESKey is not 43 characters of base 64") from fault
        if len(encoding_aes_key) != 43 or len(key) != 32:
            raise ValueError("the EncodingAESKey is not 43 characters of base 64")
        return cls(appid, key)

    def encrypt(self, message: bytes, chance: bytes) -> str:
        if len(chance) != _CHANCE_BYTES:
            raise ValueError("16 random bytes are needed")
        plain = chance + len(message).to_bytes(_LENGTH_BYTES, "big") + message + self.appid.encode()
        padding = _BLOCK_BYTES - len(plain) % _BLOCK_BYTES
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode()

    def decrypt(self, encrypted: str) -> bytes:
        """Only after the signature was checked: what this says about a wrong padding must not reach a stranger."""
        try:
            ciphertext = base64.b64decode(encrypted, validate=True)
        except ValueError as fault:
            raise BadCiphertext("not base 64") from fault
        if not ciphertext or len(ciphertext) % 16:
            raise BadCiphertext("not whole blocks")
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        padding = padded[-1]
        if not 1 <= padding <= _BLOCK_BYTES or not padded.endswith(bytes([padding]) * padding):
            raise BadCiphertext("wrong padding")
        content = padded[_CHANCE_BYTES:-padding]
        length = int.from_bytes(content[:_LENGTH_BYTES], "big")
        message, appid = content[_LENGTH_BYTES : _LENGTH_BYTES + length], content[_LENGTH_BYTES + length :]
        if len(content) < _LENGTH_BYTES or len(message) != length:
            raise BadCiphertext("wrong length")
        if not hmac.compare_digest(appid, self.appid.encode()):
            raise BadCiphertext("meant for another account")
        return message

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16]))
