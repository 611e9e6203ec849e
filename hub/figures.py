"""Counters for /metrics, read as they stand when somebody asks: of ingest, and of the machine that it stands on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.ingest import Ingest
from hub.services import Services

QUANTILES = (0.5, 0.99)


class HouseFigures(Collector):
    """What an operator is woken for: a job that fails again and again, a disk that fills, a reserve that is gone."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        down = GaugeMetricFamily("linli_job_down", "1 while a job that failed waits to be restarted", labels=["job"])
        for job in sorted(self._services.down):
            down.add_metric([job], 1.0)
        yield down
        with suppress(OSError):
            free = shutil.disk_usage(self._services.data).free
            yield GaugeMetricFamily("linli_disk_free_bytes", "Room left beside the store", value=free)
        if (reserve := self._services.store.reserve) is not None:
            there = 1.0 if reserve.path.exists() else 0.0
            yield GaugeMetricFamily("linli_reserve_held", "0 after a full disk has taken the reserve", value=there)


class IngestFigures(Collector):
    """The conservation law in the open: ingested = stored + duplicate + quarantined + refused."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def collect(self) -> Iterable[Metric]:
        ingest, meter = self._ingest, self._ingest.meter
        yield CounterMetricFamily("linli_ingested", "Records that came to a door", value=meter.ingested)
        became = CounterMetricFamily("linli_ingest", "What became of them", labels=["what"])
        for what in ("stored", "duplicate", "quarantined"):
            became.add_metric([what], getattr(meter, what))
        yield became
        refused = CounterMetricFamily("linli_ingest_refused", "Messages that never entered", labels=["reason"])
        for reason, count in sorted(meter.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        yield CounterMetricFamily("linli_ingest_batches", "Commits of readings", value=meter.batches)
        yield GaugeMetricFamily("linli_ingest_waiting", "Messages read but not committed", value=ingest.waiting)
        stuck = 0.0 if ingest.trouble is None else 1.0
        yield GaugeMetricFamily("linli_ingest_stuck", "1 while nothing can be committed", value=stuck)
        took = GaugeMetricFamily(
            "linli_ingest_commit_ms", "From received to committed, the newest readings", labels=["quantile"]
        )
        for share in QUANTILES:
            if (taken_ms := meter.latency_ms(share)) is not None:
                took.add_metric([str(share)], taken_ms)
        yield took
