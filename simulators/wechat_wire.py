"""How the simulated WeChat server speaks to an account's callback: signed, plain or AES, three tries of 5 s."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from xml.sax.saxutils import escape

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TRIES_MAX = 3
TRY_S = 5.0
_BLOCK_BYTES = 32


@dataclass(frozen=True)
class Attempt:
    """One callback as it went: what was told, and what each try got."""

    at: str
    event: str
    answers: tuple[str, ...]
    said: str = ""  # the passive reply, as the follower reads it

    @property
    def delivered(self) -> bool:
        return bool(self.answers) and self.answers[-1] == "200"


@dataclass
class Line:
    """The line from the platform to one account. Without a URL nothing is told to anybody."""

    appid: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    net: httpx.AsyncClient
    chance: random.Random
    now: Callable[[], datetime]
    url: str = ""
    try_s: float = TRY_S

    async def check(self, url: str) -> str:
        """What happens when the operator enters an address: empty if it answered rightly, else why it is refused."""
        echo = str(self.chance.getrandbits(60))
        query = self._signed({})
        try:
            answer = await self.net.get(url, params={**query, "echostr": echo}, timeout=self.try_s)
        except httpx.HTTPError as fault:
            return f"请求URL超时 ({type(fault).__name__})"
        if answer.status_code != 200 or answer.text != echo:
            return f"token验证失败 (HTTP {answer.status_code})"
        self.url = url
        return ""

    async def tell(self, fields: Mapping[str, str | int]) -> Attempt:
        """Post one message or event. The same bytes and the same query are tried again, as long as nothing answers."""
        event = str(fields.get("Event", fields["MsgType"]))
        at = self.now().isoformat()
        if not self.url:
            return Attempt(at, event, ())
        body = to_xml({"ToUserName": f"gh_{self.appid[-12:]}", **fields})
        query = {"openid": str(fields["FromUserName"])}
        if self.aes_key:
            encrypted = self._encrypted(body.encode())
            query = self._signed({**query, "encrypt_type": "aes"}, encrypted)
            body = to_xml({"ToUserName": f"gh_{self.appid[-12:]}", "Encrypt": encrypted})
        else:
            query = self._signed(query)
        answers, said = list[str](), ""
        for _ in range(TRIES_MAX):
            try:
                answer = await self.net.post(
                    self.url,
                    params=query,
                    content=body.encode(),
                    timeout=self.try_s,
                    headers={"content-type": "text/xml"},
                )
                answers.append(str(answer.status_code))
                said = self._said(answer.text, str(fields["FromUserName"])) if answer.status_code == 200 else ""
            except httpx.HTTPError as fault:
                answers.append(type(fault).__name__)
            if answers[-1] == "200":
                break
        return Attempt(at, event, tuple(answers), said)

    def _said(self, body: str, to: str) -> str:
        """What a passive reply says to the follower; empty for `success` and for what is not passed on."""
        if body in ("", "success"):
            return ""
        reply = _fields(body)
        if self.aes_key:
            encrypted = reply.get("Encrypt", "")
            mark = _sha1(self.token, reply.get("TimeStamp", ""), reply.get("Nonce", ""), encrypted)
            if reply.get("MsgSignature") != mark:
                return ""
            reply = _fields(self._decrypted(encrypted))
        fine = reply.get("ToUserName") == to and reply.get("MsgType") == "text"
        return reply.get("Content", "") if fine and reply.get("FromUserName") == f"gh_{self.appid[-12:]}" else ""

    def _decrypted(self, encrypted: str) -> str:
        key = base64.b64decode(self.aes_key + "=")
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()
        length = int.from_bytes(plain[16:20], "big")
        return plain[20 : 20 + length].decode()

    def _signed(self, query: Mapping[str, str], encrypted: str = "") -> dict[str, str]:
        timestamp, nonce = str(int(self.now().timestamp())), str(self.chance.randrange(10**8, 10**10))
        signed = {**query, "timestamp": timestamp, "nonce": nonce, "signature": _sha1(self.token, timestamp, nonce)}
        if encrypted:
            signed["msg_signature"] = _sha1(self.token, timestamp, nonce, encrypted)
        return signed

    def _encrypted(self, message: bytes) -> str:
        key = base64.b64decode(self.aes_key + "=")
        plain = self.chance.randbytes(16) + len(message).to_bytes(4, "big") + message + self.appid.encode()
        padding = _BLOCK_BYTES - len(plain) % _BLOCK_BYTES
        encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode()


def _fields(body: str) -> dict[str, str]:
    found = re.findall(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", body.removeprefix("<xml>"), re.DOTALL)
    return {name: cdata or plain for name, cdata, plain in found}


def to_xml(fields: Mapping[str, str | int]) -> str:
    """Numbers bare, texts in CDATA, as the platform writes it."""
    return "<xml>" + "".join(f"<{name}>{_value(value)}</{name}>" for name, value in fields.items()) + "</xml>"


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return f"<![CDATA[{value}]]>" if "]]>" not in value else escape(value)


def _sha1(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
