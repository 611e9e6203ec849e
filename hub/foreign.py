"""Foreign messages: a vendor's own topic or webhook, turned into frames of registered devices (devices/vendors/*.toml).

Each record names a device by its address; the registered device of that address says which profile reads it. What no
vendor's row knows stays what it was: an unknown topic. A message without a measurement (a heartbeat) is settled and
not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from devices.base import DecodeError
from devices.codecs import scrub_of
from devices.json_text import kept_only
from devices.vendor import Item, Vendor, plain_address, vendor_of_topic
from hub.arrival import Book, Device, Frame, Opened, poison, read_record
from hub.quarantine import decode_poison, hub_poison
from hub.uplink import Uplink


class AddressBook(Book, Protocol):
    def addressed(self, address: str) -> Device | None:
        """The one device with this address (devices.vendor.plain_address) as its serial number."""


def is_foreign(topic: str) -> bool:
    return not topic.startswith("linli/") and vendor_of_topic(topic) is not None


def open_foreign(
    uplink: Uplink, book: AddressBook, new_id: Callable[[], str], unique: str, vendor: Vendor | None = None
) -> Opened:
    """Read one message of a vendor; `unique` singles it out for ever where the records in it tell no time."""
    vendor = vendor or vendor_of_topic(uplink.topic)
    assert vendor is not None  # noqa: S101 - is_foreign has found it
    opened = Opened(uplink, new_id())
    try:
        items = list(vendor.items(uplink.payload))
    except DecodeError as error:
        bare = kept_only(uplink.payload, lambda _path: False)
        poison(opened, "", "", vendor.id, bare, decode_poison(error), unique)
        return opened
    for place, item in enumerate(items):
        _read(opened, item, vendor, book, new_id, f"{unique}|{place}" if place else unique)
    return opened


def _read(opened: Opened, item: Item, vendor: Vendor, book: AddressBook, new_id: Callable[[], str], entry: str) -> None:
    device = book.addressed(plain_address(item.address))
    if device is None:
        why = hub_poison("unknown-address", address=item.address[:64], vendor=vendor.id)
        poison(opened, "", "", vendor.id, kept_only(item.payload, lambda _path: False), why, entry)
        return
    read_record(opened, Frame(_codec(device) or vendor.id, item.payload), device, new_id, entry)


def _codec(device: Device) -> str:
    """The format of the device's profile that foreign messages come in: one that can drop what names a person."""
    codecs = list(device.profile.codec.values()) if device.profile is not None else []
    return next((each for each in codecs if scrub_of(each) is not None), codecs[0] if codecs else "")
