"""What /metrics says of ingest adds up to what really happened."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from hub.figures import IngestFigures
from tests.core.test_ingest import GOOD, Bench


def test_every_record_stands_in_the_metrics_under_what_became_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    other = GOOD[:12] + bytes([7]) + GOOD[13:]
    ingest = bench.feed(bench.up(GOOD), bench.up(GOOD), bench.up(other), bench.up(GOOD[:5]))
    ingest.refused("acl")
    ingest.refused("acl")
    registry = CollectorRegistry()
    registry.register(IngestFigures(ingest))
    said = generate_latest(registry).decode().splitlines()
    for line in (
        "linli_ingested_total 6.0",
        'linli_ingest_total{what="stored"} 2.0',
        'linli_ingest_total{what="duplicate"} 1.0',
        'linli_ingest_total{what="quarantined"} 1.0',
        'linli_ingest_refused_total{reason="acl"} 2.0',
        "linli_ingest_batches_total 1.0",
        "linli_ingest_waiting 0.0",
        "linli_ingest_stuck 0.0",
        'linli_ingest_commit_ms{quantile="0.99"} 0.0',
    ):
        assert line in said
