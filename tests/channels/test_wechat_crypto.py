"""WeChat's cipher against the platform's published vectors, and against itself."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.wechat_crypto import BadCiphertext, MessageCipher, is_signed, signature
from channels.wechat_xml import BadXml, parse

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
VIDEO = (
    "<xml><ToUserName><![CDATA[oia2Tj我是中文jewbmiOUlr6X-1crbLOvLw]]></ToUserName><FromUserName><![CDATA[gh_7f083739789a]]>"
    "</FromUserName><CreateTime>1407743423</CreateTime><MsgType><![CDATA[video]]></MsgType><Video><MediaId><![CDATA[eYJ1MbwP"
    "RJtOvIEabaxHs7TX2D-HV71s79GUxqdUkjm6Gs2Ed1KF3ulAOA9H1xG0]]></MediaId><Title><![CDATA[testCallBackReplyVideo]]></Title>"
    "<Description><![CDATA[testCallBackReplyVideo]]></Description></Video></xml>"
)
VIDEO_ENCRYPTED = (
    "jn1L23DB+6ELqJ+6bruv23M2GmYfkv0xBh2h+XTBOKVKcgDFHle6gqcZ1cZrk3e1qjPQ1F4RsLWzQRG9udbKWesxlkupqcEcW7ZQweImX9+wLMa0GaUz"
    "pkycA8+IamDBxn5loLgZpnS7fVAbExOkK5DYHBmv5tptA9tklE/fTIILHR8HLXa5nQvFb3tYPKAlHF3rtTeayNf0QuM+UW/wM9enGIDIJHF7CLHiDNAY"
    "xr+r+OrJCmPQyTy8cVWlu9iSvOHPT/77bZqJucQHQ04sq7KZI27OcqpQNSto2OdHCoTccjggX5Z9Mma0nMJBU+jLKJ38YB1fBIz+vBzsYjrTmFQ44YfeE"
    "uZ+xRTQwr92vhA9OxchWVINGC50qE/6lmkwWTwGX9wtQpsJKhP+oS7rvTY8+VdzETdfakjkwQ5/Xka042OlUb1/slTwo4RscuQ+RdxSGvDahxAJ6+EAjL"
    "t9d8igHngxIbf6YyqqROxuxqIeIch3CssH/LqRs+iAcILvApYZckqmA7FNERspKA5f8GoJ9sv8xmGvZ9Yrf57cExWtnX8aCMMaBropU/1k+hKP5LVdzbW"
    "CG0hGwx/dQudYR/eXp3P0XxjlFiy+9DMlaFExWUZQDajPkdPrEeOwofJb"
)
TEXT_ENCRYPTED = (
    "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9FrXpbUAh0B"
    "5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA91"
    "2xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ"
    "4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE="
)
ECHO_ENCRYPTED = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
RESPONSE_ENCRYPTED = (
    "hE8R6mGXHkJJjU72KxzKUd1GEkKJaEZq7vRL8XgK3o+00k8JGq6+pZJUIlTSyhsX+bxIBQ72g3GyvDdIZcr6+3HAZbSvPT9t/o11MI7d6WELwqrGd7jMnV0z"
    "v3Zc9Nq7"
)


@pytest.mark.parametrize(
    ("appid", "key", "chance", "message", "encrypted"),
    [
        (
            "wxb11529c136998cb6",
            KEY,
            b"aaaabbbbccccdddd",
            "我是中文abcd123",
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==",
        ),
        ("wxb11529c136998cb6", KEY, b"aaaabbbbccccdddd", VIDEO, VIDEO_ENCRYPTED),
        (
            "wx134c8103faa5a59e",
            "A" * 43,
            b"999951349e8ee746",
            "<xml><demo_resp>[CDATA[good luck]]</demo_resp></xml>",
            RESPONSE_ENCRYPTED,
        ),
    ],
)
def test_the_platforms_vectors_come_out_to_the_byte(
    appid: str, key: str, chance: bytes, message: str, encrypted: str
) -> None:
    cipher = MessageCipher.of(appid, key)
    assert cipher.encrypt(message.encode(), chance) == encrypted
    assert cipher.decrypt(encrypted).decode() == message


@pytest.mark.parametrize(
    ("appid", "key", "token", "timestamp", "nonce", "encrypted", "signed", "begins"),
    [
        (
            "wx2c2769f8efd9abc2",
            KEY,
            "spamtest",
            "1409735669",
            "1320562132",
            TEXT_ENCRYPTED,
            "5d197aaffba7e9b25a30732f161a50dee96bd5fa",
            "<xml><ToUserName><![CDATA[gh_10f6c3c3ac5a]]></ToUserName>\n",
        ),
        (
            "wx5823bf96d3bd56c7",
            "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
            "QDG6eK",
            "1409659589",
            "263014780",
            ECHO_ENCRYPTED,
            "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
            "1616140317555161061",
        ),
    ],
)
def test_signed_vectors_verify_and_open(
    appid: str, key: str, token: str, timestamp: str, nonce: str, encrypted: str, signed: str, begins: str
) -> None:
    assert signature(token, timestamp, nonce, encrypted) == signed
    assert is_signed(signed, token, timestamp, nonce, encrypted)
    assert not is_signed(signed[:-1] + "0", token, timestamp, nonce, encrypted)
    assert not is_signed("é", token, timestamp, nonce, encrypted)
    assert MessageCipher.of(appid, key).decrypt(encrypted).decode().startswith(begins)


@given(st.binary(max_size=600), st.binary(min_size=16, max_size=16))
@settings(max_examples=200, deadline=None)
def test_what_was_encrypted_is_decrypted_as_it_was(message: bytes, chance: bytes) -> None:
    cipher = MessageCipher.of("wx0123456789abcdef", KEY)
    assert cipher.decrypt(cipher.encrypt(message, chance)) == message


@given(st.one_of(st.text(max_size=200), st.binary(max_size=96).map(lambda raw: b64encode(raw).decode())))
@settings(max_examples=200, deadline=None)
def test_whatever_else_arrives_is_refused_as_bad_ciphertext(garbage: str) -> None:
    with pytest.raises(BadCiphertext):
        MessageCipher.of("wx0123456789abcdef", KEY).decrypt(garbage)


def test_a_message_for_another_account_is_refused() -> None:
    encrypted = MessageCipher.of("wx-one", KEY).encrypt(b"x", bytes(16))
    with pytest.raises(BadCiphertext, match="another account"):
        MessageCipher.of("wx-two", KEY).decrypt(encrypted)


@pytest.mark.parametrize("key", ["", "abcde", KEY + "=", KEY[:-1] + "!", "\u00e9" * 43])
def test_a_mistyped_key_is_refused_when_it_is_set(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        MessageCipher.of("wx", key)


def test_a_doctype_is_refused_and_its_name_in_a_residents_words_is_not() -> None:
    with pytest.raises(BadXml, match="DOCTYPE"):
        parse(b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><xml><Content>&e;</Content></xml>')
    with pytest.raises(BadXml, match="DOCTYPE"):
        parse("<!DOCTYPE x><xml/>".encode("utf-16"))
    assert parse(b"<xml><Content><![CDATA[<!DOCTYPE html>]]></Content></xml>") == {"Content": "<!DOCTYPE html>"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no",
        b"<xml>",
        b"<xml>" + b"<a/>" * 300 + b"</xml>",
        b"<a>" * 20 + b"</a>" * 20,
        b"<xml><A>1</A><A>2</A></xml>",
        b"<xml>&bomb;</xml>",
        b" " * 70_000,
    ],
)
def test_xml_that_is_no_callback_is_refused(body: bytes) -> None:
    with pytest.raises(BadXml):
        parse(body)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_nothing_else(body: bytes) -> None:
    found: dict[str, str] = {}
    with suppress(BadXml):
        found = parse(body)
    assert all(isinstance(value, str) for value in found.values())
