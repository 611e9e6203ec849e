"""The stage: in the demo, every screen side by side, buttons that make things happen, and the way each took."""

from __future__ import annotations

from hub.civic.stage import outage, pages, playing, trail
from hub.i18n import N_
from hub.module import Job, Module, Topic

MODULE = Module(
    name="stage",
    title=N_("Stage"),
    router=pages.router,
    jobs=(Job("playing", playing.run, role="web"),),
    topics=(
        Topic(trail.TOPIC, "stage/trail.html", playing.view, lambda _subject, key: key == trail.KEY, "event"),
        Topic(
            outage.TOPIC,
            "stage/outage.html",
            lambda _read, _key: outage.context(outage.Outage()),
            lambda _subject, key: key == outage.KEY,
            "event",
        ),
    ),
    demo_only=True,
)
