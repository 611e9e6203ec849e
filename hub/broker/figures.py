"""The broker's counters for Prometheus: what it took, refused, shed and held back, each by its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.broker.server import Broker


class BrokerFigures(Collector):
    """Read when asked, so that a packet costs no counter of its own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def collect(self) -> Iterable[Metric]:
        broker = self._broker
        events = CounterMetricFamily("linli_broker_events", "What the embedded broker counted", labels=["what"])
        for what, number in asdict(broker.counters).items():
            events.add_metric([what], number)
        yield events
        for name, says, value in (
            ("connections", "Open lines", broker.connections),
            ("sessions", "Sessions kept, connected or not", broker.sessions),
            ("held", "Lines that are not read until their credit comes back", broker.credits.waiting),
            ("retained", "Messages retained", broker.retained.count),
            ("commits", "Commits of what kept sessions are owed", broker.journal.commits if broker.journal else 0),
            ("unwritten", "1 while the disk refuses them", broker.trouble is not None),
            ("stage", "How far degradation has gone: 0, or its number in the published order", broker.credits.stage),
        ):
            yield GaugeMetricFamily(f"linli_broker_{name}", says, value=float(value))
