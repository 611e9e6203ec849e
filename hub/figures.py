"""Ingest's counters for /metrics, read as they stand when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.ingest import Ingest

QUANTILES = (0.5, 0.99)


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
