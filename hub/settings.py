"""Every knob of Linli in one list: its unit in the name, its default, and why the default is what it is.

A value comes from the first of: a command's flag, `LINLI_<NAME>` in the environment, `linli.toml`, the default here.
Any of them may stand in a file named by `LINLI_<NAME>_FILE` (systemd credentials and container secrets are that case).
Add a knob by adding one line to `Settings`; `linli settings` and its test find it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

PREFIX = "LINLI_"
FILE_NAME = "linli.toml"
# Variables of the test command and the font step; not knobs of a running hub.
FOREIGN = frozenset({"LINLI_CHROMIUM", "LINLI_TEST_ALL", "LINLI_TEST_LONG", "LINLI_TEST_POSTGRES"})


class SettingsError(Exception):
    """A value of a knob cannot be used; the sentence names the knob, the source and what would be right."""


class Secret(str):
    """Text that shows itself only when it is used, never in a repr, a table or a log of settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(set)'" if self else "''"


def home() -> Path:
    """Where this checkout keeps what it makes; an installed Linli keeps it in the user's state folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout / ".linli" if (checkout / "linli").is_file() else Path.home() / ".local/state/linli"


UNSET = Secret("")
STATE = home()


def knob(default: Any, reason: str, *, low: float | None = None, high: float | None = None) -> Any:
    return field(default=default, metadata={"reason": reason, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Knob:
    """One row of `linli settings`, ready to be shown: a secret is masked."""

    name: str
    value: str
    source: str  # flag | environment | linli.toml | default
    reason: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    # Doors
    http_host: str = knob("127.0.0.1", "only this machine until an operator opens it on purpose")
    http_port: int = knob(8080, "free for an ordinary user; 0 takes any free port", low=0, high=65535)
    public_url: str = knob("", "what people type, for links in messages; empty: http://http_host:http_port")
    mqtt_host: str = knob("127.0.0.1", "only this machine until an operator opens it on purpose")
    mqtt_port: int = knob(1883, "the registered MQTT port; 0 takes any free port, -1 opens none", low=-1, high=65535)
    mqtt_plaintext: str = knob("loopback", "passwords cross in clear without TLS; 'anywhere' trusts the network")
    mqtt_ws_host: str = knob("127.0.0.1", "only this machine until an operator opens it on purpose")
    mqtt_ws_port: int = knob(-1, "MQTT over WebSocket; -1 opens none, most brokers use 8083", low=-1, high=65535)
    mqtt_tls_cert: str = knob("", "PEM file of the certificate chain; empty: no listener with TLS")
    mqtt_tls_key: str = knob("", "PEM file of its key; empty: it stands in mqtt_tls_cert")
    mqtt_tls_host: str = knob("127.0.0.1", "only this machine until an operator opens it on purpose")
    mqtt_tls_port: int = knob(8883, "the registered port of MQTT over TLS; -1 opens none", low=-1, high=65535)
    mqtt_tls_ws_port: int = knob(-1, "MQTT over WebSocket and TLS; -1 opens none", low=-1, high=65535)
    mqtt_url: Secret = knob(UNSET, "an operator's own MQTT broker; empty: the embedded front door")

    # Store
    database_url: Secret = knob(UNSET, "empty: SQLite in data_dir; or postgresql+psycopg://user:word@host/name")
    data_dir: Path = knob(STATE / "data", "the database and its key; back the two up apart")
    state_dir: Path = knob(STATE, "what can be made again at any time: font, seed stores")
    reserve_bytes: int = knob(
        33_554_432, "room a full disk gives up for what cannot wait: some thousand notices; 0: none", low=0
    )
    key_file: str = knob("", "the sealing key, outside the database and its backup; empty: data_dir/keys/seal.key")

    # Ingest
    ingest_queue_frames_max: int = knob(10_000, "about 2 s of a whole city's flood; beyond it gateways hold", low=1)
    ingest_batch_frames_max: int = knob(1_000, "a longer commit only adds waiting: 500 reach 24k rows/s", low=1)
    payload_bytes_max: int = knob(131_072, "a long ECG strip; larger is a mistake or an attack", low=1024)

    peer_drift: bool = knob(True, "a device far off its like in other huts is told of; it opens values once a day")
    raw_days: int = knob(30, "a frame's bytes, for whoever asks how a value came to be; then the reading alone", low=1)

    # Kiosk
    home_assistant: bool = knob(False, "tells the broker of huts and rooms, for a panel on the wall; when asked for")
    kiosk_idle_s: int = knob(60, "a neighbour who walks away leaves nothing on the screen", low=5)
    kiosk_warning_s: int = knob(20, "time for an elder to press 'I am still here'", low=5)

    # Health
    health_answer_min: int = knob(30, "the doctor's time to answer for an urgent value; then the deputy's", low=1)

    # Delivery
    outbox_lease_s: int = knob(60, "twice the longest send; then another worker may take the row", low=5)
    quiet_hours: str = knob("21:30-07:30", "no routine message wakes who has chosen no hours; empty: none (the demo)")
    channel_timeout_s: float = knob(10.0, "a provider that is slower is counted as a time-out and tried again", low=0.5)
    wechat_url: str = knob("", "base address of the official-account API; empty: the channel is off")
    wechat_app_id: str = knob("", "the official account's app id")
    wechat_secret: Secret = knob(UNSET, "the official account's app secret")
    wechat_token: Secret = knob(UNSET, "the word that signs WeChat's callbacks")
    wechat_aes_key: Secret = knob(UNSET, "EncodingAESKey; set: plain callbacks are refused")
    wechat_template_id: str = knob("", "the notice template the account was granted")
    wechat_template_fields: str = knob("", "which field of that template holds what; empty: the channel's own default")
    hook_secrets: Secret = knob(
        UNSET, "what vendors of devices prove themselves with, NAME=SECRET by blanks; without one no /hooks/NAME"
    )
    sms_url: str = knob("", "base address of the SMS gateway; empty: the channel is off")
    sms_access_id: str = knob("linli", "our name at the SMS gateway")
    sms_secret: Secret = knob(UNSET, "signs what we send and what the SMS gateway reports to /callback/sms")
    sms_sign: str = knob("", "the approved sign that stands first in every text message")
    sms_contact: str = knob("", "where residents ask, as in the approved texts; empty: the channel's own default")
    sms_fen_per_part: int = knob(5, "what the provider bills for one part, for the costs on the desk", low=0)
    sms_templates: str = knob("", "the code each text was approved under: name=CODE name=CODE; empty: its own name")
    sms_per_day: int = knob(0, "text messages a day, by the contract with the provider; 0: no limit", low=0)
    sms_fen_per_day: int = knob(0, "money a day for text messages, so that a mistake stays small; 0: no limit", low=0)
    wechat_per_day: int = knob(100_000, "template messages an account may send a day, unless granted more", low=0)
    quota_reserve_percent: int = knob(30, "of a day's quota, kept for urgent and emergency messages", low=0, high=100)
    webpush_subject: str = knob("", "mailto: or https: where push services may ask; empty: the channel is off")
    webpush_key: Secret = knob(UNSET, "64 hex digits, for hubs that share one; empty: data_dir/keys/webpush.key")
    webpush_services: str = knob("", "hosts of push services that phones may name; empty: the four known ones")
    tv_crawl: bool = knob(False, "headlines run along the TV channel's lower edge; pages that turn are easier to read")
    webhook_allow: str = knob("", "private networks webhooks may reach, as 10.1.0.0/16 10.2.3.4/32; empty: none")

    # The demo
    seed: int = knob(1, "the demo community is the same for everyone who reads about it", low=0)
    speed: float = knob(1.0, "1 is a real day; 60 makes an hour of the community a minute", low=0.1, high=3600)

    # The process
    log_level: str = knob("INFO", "one line an event, for the operator at 3 a.m.")

    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def database(self) -> str:
        """The URL in force."""
        return str(self.database_url) or f"sqlite:///{self.data_dir.resolve() / 'linli.db'}"

    @property
    def keys(self) -> Path:
        return Path(self.key_file) if self.key_file else self.data_dir / "keys" / "seal.key"

    def describe(self) -> list[Knob]:
        rows = []
        for each in _knobs():
            value = getattr(self, each.name)
            shown = _masked(value) if isinstance(value, Secret) else str(value)
            rows.append(Knob(each.name, shown, self.sources.get(each.name, "default"), each.metadata["reason"]))
        return rows


def load(flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Settings from their four sources. A flag of None was not given. An unknown name is refused."""
    known = {each.name: each for each in _knobs()}
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, given in (
        (FILE_NAME, _from_file(file)),
        ("environment", _from_environment(environment)),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    ):
        for name, raw in given.items():
            if name not in known:
                raise SettingsError(_unknown(name, source, list(known)))
            values[name] = _checked(name, raw, kinds[name], known[name].metadata, source)
            sources[name] = source
    return Settings(**values, sources=sources)


def _knobs() -> list[Any]:
    return [each for each in fields(Settings) if "reason" in each.metadata]


def _from_file(file: Path | None) -> dict[str, object]:
    if file is None or not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in FOREIGN:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name.endswith("_file") and name != "key_file":
            try:
                found[name.removesuffix("_file")] = Path(text).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{variable} names {text}, which cannot be read: {error.strerror}") from error
        else:
            found[name] = text
    return found


def _unknown(name: str, source: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `linli settings` lists all of them"
    return f"{name} ({source}) is no setting of Linli{hint}"


def _checked(name: str, raw: object, kind: type, limits: Mapping[str, Any], source: str) -> Any:
    if kind is Path and not str(raw):  # Path("") is the working folder, which nobody means by an empty variable
        raise SettingsError(f"{name} ({source}) must name a folder; leave it out for the default")
    try:
        value = _number(raw, kind) if kind in (int, float) else kind(str(raw))
    except ValueError as error:
        word = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise SettingsError(f"{name} ({source}) must be {word}, not {str(raw)!r}") from error
    low, high = limits["low"], limits["high"]
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise SettingsError(f"{name} ({source}) must be {bounds}, not {value}")
    return value


def _number(raw: object, kind: type) -> float:
    if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
        raise ValueError(raw)
    value: float = kind(str(raw).replace("_", ""))
    if value != value:  # NaN passes every comparison with a limit
        raise ValueError(raw)
    return value


def _masked(value: Secret) -> str:
    """An address keeps what an operator needs to see and loses its password; any other secret is only 'set' or not."""
    if "://" in value:
        return re.sub(r"://([^:@/]*):[^@]*@", r"://\1:***@", value)
    return "(set)" if value else ""
