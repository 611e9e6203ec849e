"""What a careless eye misses on a set: text outside what every set shows, text over text, text too small for a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEAST = {720: 24, 530: 18}  # pixels of letters: 36 on a picture of 1080 lines
_TEXTS = """() => {
  var walker = document.createTreeWalker(document.getElementById("stage"), NodeFilter.SHOW_TEXT), found = [], node;
  while ((node = walker.nextNode())) {
    var part = node.parentElement, range = document.createRange(), clip, box, around;
    if (!node.textContent.trim() || !part.getClientRects().length) { continue; }
    range.selectNodeContents(node);
    box = range.getBoundingClientRect();
    clip = {left: box.left, top: box.top, right: box.right, bottom: box.bottom};
    for (around = part; around && around.id !== "stage"; around = around.parentElement) {
      if (getComputedStyle(around).overflow === "hidden") {
        var edge = around.getBoundingClientRect();
        clip.left = Math.max(clip.left, edge.left); clip.right = Math.min(clip.right, edge.right);
        clip.top = Math.max(clip.top, edge.top); clip.bottom = Math.min(clip.bottom, edge.bottom);
      }
    }
    var middle = document.elementFromPoint((clip.left + clip.right) / 2, (clip.top + clip.bottom) / 2);
    if (clip.right <= clip.left || clip.bottom <= clip.top) { continue; }
    if (!middle || !(part === middle || part.contains(middle) || middle.contains(part))) { continue; }
    found.push({text: node.textContent.trim().slice(0, 30), size: parseFloat(getComputedStyle(part).fontSize),
      cut: box.right - clip.right > 2 && getComputedStyle(part).textOverflow !== "ellipsis", clip: clip});
  }
  return found;
}"""


def faults(page: Page, size: tuple[int, int]) -> list[str]:
    """`size` is the stage's own: 1280x720 or 640x530."""
    texts: list[dict[str, Any]] = page.evaluate(_TEXTS)
    wide, high = size
    found = []
    for place, each in enumerate(texts):
        box, said = each["clip"], each["text"]
        if box["left"] < wide * 0.05 - 1 or box["right"] > wide * 0.95 + 1:
            found.append(f"beside what every set shows: {said}")
        if box["top"] < high * 0.04 or box["bottom"] > high * 0.955:
            found.append(f"above or below what every set shows: {said}")
        if each["size"] < LEAST[high]:
            found.append(f"{each['size']} px: {said}")
        if each["cut"]:
            found.append(f"cut off: {said}")
        found += [f"{said} over {other['text']}" for other in texts[place + 1 :] if _meet(box, other["clip"])]
    return found


def _meet(one: dict[str, float], other: dict[str, float]) -> bool:
    """Lines of type stand closer than their boxes: a third of a line may overlap."""
    wide = min(one["right"], other["right"]) - max(one["left"], other["left"])
    high = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return wide > 2 and high > min(one["bottom"] - one["top"], other["bottom"] - other["top"]) / 3
