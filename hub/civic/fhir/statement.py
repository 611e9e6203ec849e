"""What this server can do, in FHIR's own form: the CapabilityStatement behind `/fhir/R4/metadata`."""

from __future__ import annotations

from datetime import datetime

from hub.civic.fhir.search import PARAMETERS
from hub.fhir import MEDIA_TYPE, Json

_TYPES = {
    "_count": None, "_id": "token", "_lastUpdated": "date", "_sort": None, "category": "token", "code": "token",
    "date": "date", "device": "reference", "patient": "reference", "subject": "reference",
}  # fmt: skip


def capability(now: datetime, base: str) -> Json:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.isoformat(),
        "kind": "instance",
        "software": {"name": "Linli"},
        "implementation": {"description": "Readings of health huts, read only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "A bearer token or a session; everybody sees what is theirs to see."},
                "resource": [
                    _resource("Observation", [name for name in PARAMETERS if _TYPES[name] is not None]),
                    _resource("Device", ["_id"]),
                    _resource("DeviceMetric", ["_id", "source"]),
                ],
            }
        ],
    }


def _resource(kind: str, names: list[str]) -> Json:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": name, "type": _TYPES.get(name) or "reference"} for name in names],
    }
