/* The queue by keyboard: j and k walk, a t s o c act on the row, u takes back, ? tells the keys; on the page of one
   thing a t h s c and b for back. ES5.
   Every key presses a button that stands on the page; without script the buttons serve. */
(function () {
  "use strict";
  var chosen = "";
  var walking = false; /* the keyboard's place is a row; a redrawn row gets it back */

  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i]); }
  }

  function rows() { return document.querySelectorAll(".ops-work .ops-task[data-key]"); }

  function place() {
    var found = -1, i, all = rows();
    for (i = 0; i < all.length; i += 1) {
      if (all[i].getAttribute("data-key") === chosen) { found = i; }
    }
    return found;
  }

  function mark(focus) {
    each(rows(), function (row) {
      var here = row.getAttribute("data-key") === chosen;
      row.className = row.className.replace(/ ?\bops-chosen\b/g, "") + (here ? " ops-chosen" : "");
      if (here && focus) { row.querySelector("a").focus({ preventScroll: focus === "still" }); }
    });
  }

  function step(by) {
    var all = rows(), at = place();
    if (!all.length) { return; }
    at = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by));
    chosen = all[at].getAttribute("data-key");
    try { window.sessionStorage.setItem("ops-chosen", chosen); } catch (error) { chosen = chosen || ""; }
    walking = true;
    mark(true);
  }

  /* On the board the chosen row, on the page of one thing that thing. */
  function part(selector) {
    var at = place(), row = at < 0 ? document.querySelector("[data-thing]") : rows()[at];
    return row ? row.querySelector(selector) : null;
  }

  function press(selector) {
    var button = part(selector);
    if (button) { button.click(); }
  }

  function go(selector) {
    var field = part(selector);
    if (field) { field.focus(); }
  }

  function remark() {
    var more = part(".ops-acts a");
    if (more) { location.href = more.href + "#remark"; } else { go("textarea"); }
  }

  function pressed(selector) {
    var button = document.querySelector(selector);
    if (button) { button.click(); }
  }

  function keys() {
    var list = document.getElementById("ops-keys"), button = document.querySelector("[data-keys]");
    if (!list) { return; }
    list.hidden = !list.hidden;
    if (button) { button.setAttribute("aria-expanded", list.hidden ? "false" : "true"); }
  }

  function typing(target) { return /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.isContentEditable; }

  function typed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) { return; }
    switch (event.key) {
    case "j": step(1); break;
    case "k": step(-1); break;
    case "a": press("button[value=ack]"); break;
    case "t": press("button[value=take]"); break;
    case "s":
      if (part("select[name=minutes]")) { go("select[name=minutes]"); } else { press("button[value=snooze]"); }
      break;
    case "h": go("select[name=to]"); break;
    case "c": remark(); break;
    case "b": pressed("[data-back]"); break;
    case "o": press(".ops-acts a"); break;
    case "u":
      pressed("[data-undo]");
      break;
    case "?": keys(); break;
    default: return;
    }
    event.preventDefault();
  }

  /* The offer to take back goes when the hub would refuse it. */
  function offer() {
    var bar = document.querySelector("[data-undo-left-ms]"), said, words;
    if (!bar) { return; }
    said = bar.querySelector("[data-undo-said]");
    words = said.textContent;
    said.textContent = ""; /* what stands there from the start no reader is told; what comes is */
    window.setTimeout(function () { said.textContent = words; }, 100);
    window.setTimeout(function () { bar.hidden = true; }, parseInt(bar.getAttribute("data-undo-left-ms"), 10) || 0);
  }

  function start() {
    try { chosen = window.sessionStorage.getItem("ops-chosen") || ""; } catch (error) { chosen = ""; }
    mark(false);
    offer();
    document.addEventListener("keydown", typed);
    document.addEventListener("mousedown", function () { walking = false; });
    document.addEventListener("linli:fresh", function () {
      mark(walking && document.activeElement === document.body ? "still" : false);
    });
    each(document.querySelectorAll("[data-keys]"), function (button) { button.addEventListener("click", keys); });
    each(document.querySelectorAll("[data-print]"), function (button) {
      button.addEventListener("click", function () { window.print(); });
    });
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", start); } else { start(); }
}());
