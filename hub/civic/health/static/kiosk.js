/* The kiosk's own script: digits of the card page, the card reader (it types like a keyboard), the rest clock, and the
   client's half of the clearing. The server decides when a visit is over; if it cannot be reached, this empties the page. */
(function () {
  "use strict";
  var body = document.body;
  var idleMs = Number(body.getAttribute("data-idle-s")) * 1000;
  var warningMs = Number(body.getAttribute("data-warning-s")) * 1000;
  var ahead = Number(body.getAttribute("data-now")) - new Date().getTime();
  var lastTouch = new Date().getTime();
  var lastSent = 0;
  var typed = "";
  var number = "";
  var printed = "";
  var TELL_EVERY_MS = 5000;
  var GRACE_MS = 4000;
  var LET_GO_MS = 5000;

  function now() { return new Date().getTime(); }

  function stage() { return document.querySelector("[data-stage]"); }

  function idle() {
    var shown = stage();
    return !shown || shown.getAttribute("data-stage") === "idle";
  }

  function tellServer() {
    var form = document.getElementById("hk-touch");
    var request;
    if (!form || idle() || now() - lastSent < TELL_EVERY_MS) { return; }
    lastSent = now();
    request = new XMLHttpRequest();
    request.open("POST", form.getAttribute("action"));
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.send("csrf=" + encodeURIComponent(form.elements.csrf.value));
  }

  function touched() {
    lastTouch = now();
    tellServer();
  }

  function press(key) {
    var input = document.getElementById("hk-number");
    if (!input) { return; }
    input.value = key === "back" ? input.value.slice(0, -1) : input.value + key;
    number = input.value;
  }

  /* The page was drawn anew: what was typed stays while the card page does, and not a moment longer. */
  document.addEventListener("linli:fresh", function () {
    var input = document.getElementById("hk-number");
    if (!input) { number = ""; } else if (number && !input.value) { input.value = number; }
  });

  function keyOf(target) {
    while (target && target !== body) {
      if (target.getAttribute && target.getAttribute("data-key")) { return target.getAttribute("data-key"); }
      target = target.parentNode;
    }
    return "";
  }

  document.addEventListener("click", function (event) {
    var key = keyOf(event.target);
    touched();
    if (key) { press(key); }
  });

  document.addEventListener("keydown", function (event) {
    var form = document.getElementById("hk-card");
    touched();
    if (event.target && event.target.id === "hk-number") { return; }
    if (event.key === "Enter" && typed.length >= 4) {
      form.elements.card.value = typed;
      typed = "";
      event.preventDefault();
      form.submit();
    } else if (event.key && event.key.length === 1 && /[A-Za-z0-9-]/.test(event.key)) {
      typed = (typed + event.key).slice(-64);
      press(event.key);
    } else {
      typed = "";
    }
  });

  /* A part with the focus in a field is not redrawn (live.js); a number half typed must not outlive its visit. */
  function letGo() {
    var input = document.activeElement;
    if (input && input.id === "hk-number" && now() - lastTouch > LET_GO_MS) { input.blur(); }
  }

  function two(number) { return (number < 10 ? "0" : "") + number; }

  function clock() {
    var shown = document.querySelector("[data-countdown]");
    var left;
    if (!shown) { return; }
    left = Math.max(0, Math.round((Number(shown.getAttribute("data-countdown")) - now() - ahead) / 1000));
    shown.textContent = Math.floor(left / 60) + ":" + two(left % 60);
  }

  function slip() {
    var shown = document.querySelector("[data-print]");
    var ident = shown ? shown.getAttribute("data-print") : "";
    if (ident && ident !== printed) {
      printed = ident;
      window.print();
    }
    if (!ident) { printed = ""; }
  }

  function clear() {
    var shown = stage();
    var since;
    if (!shown || idle()) { return; }
    since = Math.max(lastTouch, Number(shown.getAttribute("data-quiet-since")) - ahead);
    if (now() - since < idleMs + warningMs + GRACE_MS) { return; }
    /* The server should have done this by now: leave nothing on the glass, then ask it again. */
    shown.textContent = "";
    lastTouch = now();
    window.location.replace("/kiosk/" + body.getAttribute("data-kiosk"));
  }

  window.setInterval(function () { clock(); slip(); letGo(); clear(); }, 500);
}());
