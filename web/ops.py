"""Is it alive, is it ready, how much does it do: for systemd, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.access import public
from hub.db import ready
from hub.disk import why
from hub.page import services
from web.live import Live

READY_S = 5.0  # a store that takes longer for one row is not ready


class _LiveNumbers(Collector):
    """Read when asked, so that a frame costs no counter."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("linli_live_viewers", "Open live sockets", value=len(self._live.viewers))
        yield CounterMetricFamily("linli_live_frames", "Frames written to screens", value=self._live.frames_sent)


def make_registry(live: Live) -> CollectorRegistry:
    """The metrics of this process; the composition root may register more on `app.state.metrics`."""
    registry = CollectorRegistry()
    registry.register(_LiveNumbers(live))
    return registry


def router(registry: CollectorRegistry) -> APIRouter:
    routes = APIRouter(dependencies=[public("counts of the whole, nobody's data")], include_in_schema=False)

    @routes.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        """A real write to the disk: a hub that cannot commit is not ready."""
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.to_thread(ready, services(request).store)
        except TimeoutError:
            return JSONResponse({"status": "not ready", "reasons": [f"store: no commit within {READY_S:.0f} s"]}, 503)
        except Exception as error:
            return JSONResponse({"status": "not ready", "reasons": [f"store: {why(error)}"]}, 503)
        if trouble := services(request).ingest.trouble:
            return JSONResponse({"status": "not ready", "reasons": [f"ingest: {trouble}"]}, 503)
        if trouble := getattr(services(request).door, "trouble", None):
            return JSONResponse({"status": "not ready", "reasons": [f"door: {trouble}"]}, 503)
        # A job that is being restarted, or an operator's broker without a line, takes no page away from anybody.
        down = dict(services(request).down)
        if getattr(services(request).door, "connected", True) is False:
            down["mqtt"] = "no line to the MQTT broker"
        return JSONResponse({"status": "ready", **({"down": down} if down else {})})

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
