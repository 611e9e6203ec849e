"""The rules of XMLTV's DTD said anew for what a guide of ours may use; stricter, never laxer."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

# For each element: its children as a pattern over their names, its attributes, and those it cannot do without.
RULES: dict[str, tuple[str, set[str], set[str]]] = {
    "tv": (
        "(channel )*(programme )*",
        {"date", "source-info-url", "source-info-name", "source-data-url", "generator-info-name", "generator-info-url"},
        set(),
    ),
    "channel": ("(display-name )+(icon )*(url )*", {"id"}, {"id"}),
    "display-name": ("", {"lang"}, set()),
    "icon": ("", {"src", "width", "height"}, {"src"}),
    "programme": (
        "(title )+(sub-title )*(desc )*(credits )?(date )?(category )*(keyword )*(language )?"
        "(orig-language )?(length )?(icon )*(url )*(country )*(episode-num )*",
        {"start", "stop", "pdc-start", "vps-start", "showview", "videoplus", "channel", "clumpidx"},
        {"start", "channel"},
    ),
    "title": ("", {"lang"}, set()),
    "desc": ("", {"lang"}, set()),
    "category": ("", {"lang"}, set()),
}
TEXT = {"display-name", "title", "desc", "category"}
TIME = re.compile(r"\d{14} [+-]\d{4}")


def faults(top: Element) -> list[str]:
    found = [] if top.tag == "tv" else ["the root is not tv"]
    for each in top.iter():
        if each.tag not in RULES:
            found.append(f"no element {each.tag}")
            continue
        order, allowed, needed = RULES[each.tag]
        children = "".join(f"{child.tag} " for child in each)
        if not re.fullmatch(order, children):
            found.append(f"{each.tag} holds {children}")
        if set(each.keys()) - allowed or needed - set(each.keys()):
            found.append(f"{each.tag} has {sorted(each.keys())}")
        if each.tag not in TEXT and (each.text or "").strip():
            found.append(f"{each.tag} holds text")
        found += [
            f"{key} is {each.get(key)}"
            for key in ("start", "stop")
            if each.get(key) is not None and not TIME.fullmatch(each.get(key, ""))
        ]
    return found
