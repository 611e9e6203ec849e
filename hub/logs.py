"""Logs for the operator at 3 a.m.: one event, one line, ids as fields. Never a name, never a value."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """time, level, logger, message, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "what": record.getMessage(),
        }
        body.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            body["trace"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Send everything to standard error as JSON lines; standard output stays free for programs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn", "websockets", "alembic"):
        # httpx logs every address at INFO, and an access token of WeChat stands in its query.
        logging.getLogger(noisy).setLevel(logging.WARNING)
