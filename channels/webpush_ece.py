"""Web Push message encryption (RFC 8291 over RFC 8188, aes128gcm): one record for the keys of one browser. Pure."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BODY_BYTES_MAX = 4096  # what every push service takes
PLAIN_BYTES_MAX = 3993  # of it, 86 are header, 16 tag and 1 padding
CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SALT_BYTES, SCALAR_BYTES = 16, 48  # 16 bytes more than the order, so that the remainder is as good as even


def private_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """A key out of chance, or out of a file's bytes: any 32 bytes or more give a valid one."""
    return ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, CURVE)


def raw_public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(plain: bytes, to: bytes, auth: bytes, sender: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """`sender` and `salt` serve one message only. Raises ValueError for a point off the curve or too much text."""
    if len(plain) > PLAIN_BYTES_MAX:
        raise ValueError("the message does not fit into one record")
    shared = sender.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, to))
    own = raw_public(sender)
    ikm = _hmac(_hmac(auth, shared), b"WebPush: info\x00" + to + own + b"\x01")
    prk = _hmac(salt, ikm)
    key = _hmac(prk, b"Content-Encoding: aes128gcm\x00\x01")[:16]
    nonce = _hmac(prk, b"Content-Encoding: nonce\x00\x01")[:12]
    header = salt + BODY_BYTES_MAX.to_bytes(4) + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, plain + b"\x02", None)  # 2: the last record


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
