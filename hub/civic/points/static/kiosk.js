/* The kiosk's page of points: its keys, the slip, and going away by itself. ES5. What was on the glass is taken off it
   before the page is left, so that a hub that does not answer leaves nothing behind. */
(function () {
  "use strict";
  var body = document.body;
  var leave = body.getAttribute("data-leave");
  var backMs = Number(body.getAttribute("data-back-s")) * 1000;
  var mostMs = Number(body.getAttribute("data-most-s")) * 1000;
  var since = new Date().getTime();
  var touched = since;
  var said = document.querySelector("[data-left-words]");
  var gone = false;

  function now() { return new Date().getTime(); }

  function holder(target, name) {
    while (target && target !== body) {
      if (target.getAttribute && target.hasAttribute(name)) { return target; }
      target = target.parentNode;
    }
    return null;
  }

  function go() {
    if (gone) { return; }
    gone = true;
    document.getElementById("main").textContent = "";
    window.location.replace(leave);
  }

  function press(key) {
    var input = document.getElementById("pk-pin");
    if (!input) { return; }
    input.value = key === "back" ? input.value.slice(0, -1) : (input.value + key).slice(0, 4);
  }

  document.addEventListener("click", function (event) {
    var key = holder(event.target, "data-key");
    touched = now();
    if (key) { press(key.getAttribute("data-key")); }
    if (holder(event.target, "data-print-now")) { window.print(); }
  });
  document.addEventListener("keydown", function () { touched = now(); });
  /* Out of the browser's memory of pages: whoever steps back starts at the hut's page. */
  window.addEventListener("pageshow", function (event) { if (event.persisted) { go(); } });
  window.setInterval(function () {
    var left = Math.min(backMs - (now() - touched), mostMs - (now() - since));
    if (left <= 0) { go(); return; }
    if (said) { said.textContent = said.getAttribute("data-left-words").replace("{n}", String(Math.ceil(left / 1000))); }
  }, 500);
}());
