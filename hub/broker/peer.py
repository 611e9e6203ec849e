"""The same accounts on Debian's mosquitto: writes its configuration, password and ACL file from ours.

Operators use it to move the devices to a broker of their own; the tests run one set of door tests on both.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from hub.rng import Rng
from hub.uplink import Account

# mosquitto 2's own format for passwords: $7$ is PBKDF2-HMAC-SHA512. Its default count is low, which is enough for
# random 256-bit secrets and keeps a reconnect of ten thousand gateways short.
PBKDF2_ROUNDS = 101


def mosquitto_config(
    accounts: Iterable[tuple[Account, str]], port: int, data: Path, rng: Rng, *, host: str = "127.0.0.1", user: str = ""
) -> dict[str, str]:
    """File name -> text, to be written into the folder `data` (mode 0600: mosquitto reads them as its own user).

    Start it with `mosquitto -c DATA/mosquitto.conf`. Sessions and queues survive a clean restart; after a crash they
    may not (promises.md M3), which is why gateways trim their outbox by our receipt alone. Started by root, mosquitto
    becomes `user`, its own account `mosquitto` unless told otherwise; that account must be able to read the folder.
    """
    listed = list(accounts)
    return {
        "mosquitto.conf": _config(port, data, host, user),
        "passwords": "".join(f"{account.id}:{password_hash(secret, rng)}\n" for account, secret in listed),
        "acl": "\n".join(acl_of(account) for account, _ in listed),
    }


def write_mosquitto_config(
    accounts: Iterable[tuple[Account, str]], port: int, data: Path, rng: Rng, *, host: str = "127.0.0.1", user: str = ""
) -> Path:
    """Writes the files and returns the path of mosquitto.conf."""
    data.mkdir(parents=True, exist_ok=True)
    for name, content in mosquitto_config(accounts, port, data, rng, host=host, user=user).items():
        path = data / name
        path.write_text(content)
        path.chmod(0o600)
    return data / "mosquitto.conf"


def password_hash(secret: str, rng: Rng) -> str:
    salt = rng.token(12)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, PBKDF2_ROUNDS)
    return f"$7${PBKDF2_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def acl_of(account: Account) -> str:
    """mosquitto looks at deny lines before all others, as we do. Unlike ours it grants any SUBSCRIBE and filters
    what is delivered."""
    lines = [f"user {account.id}"]
    lines += [f"topic deny {rule}" for rule in account.deny]
    lines += [f"topic write {rule}" for rule in account.publish]
    lines += [f"topic read {rule}" for rule in account.subscribe]
    return "\n".join(lines) + "\n"


def _config(port: int, data: Path, host: str, user: str) -> str:
    return "\n".join(
        (
            *((f"user {user}",) if user else ()),
            "per_listener_settings false",
            f"listener {port} {host}",
            "allow_anonymous false",
            f"password_file {data / 'passwords'}",
            f"acl_file {data / 'acl'}",
            "persistence true",
            f"persistence_location {data}/",
            # One save per change loses least at a crash (promises.md M3), at less than half the speed.
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_inflight_messages 500",
            "max_queued_messages 100000",
            # Our payload limit and room for the header.
            "message_size_limit 131072",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "",
        )
    )
