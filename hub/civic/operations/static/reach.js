/* Offers this browser to be called in. ES5; without push the page says so and stays. */
(function () {
  "use strict";
  var card = document.querySelector("[data-push]");
  var key = card ? card.getAttribute("data-push") : "";
  var worker = null;
  if (!card || !key) { return; }

  function say(what, shown) {
    var part = card.querySelector("[data-say=" + what + "]");
    if (part) { part.hidden = !shown; }
  }

  function bytes(text) {
    var plain = window.atob(text.replace(/-/g, "+").replace(/_/g, "/")), found = new Uint8Array(plain.length), i;
    for (i = 0; i < plain.length; i += 1) { found[i] = plain.charCodeAt(i); }
    return found;
  }

  function send(subscription) {
    var request = new XMLHttpRequest();
    request.open("POST", "/operate/reach-me/push");
    request.setRequestHeader("Content-Type", "application/json");
    request.setRequestHeader("X-CSRF", card.getAttribute("data-csrf"));
    request.onload = function () {
      if (request.status === 204) { location.reload(); } else { say("failed", true); }
    };
    request.onerror = function () { say("failed", true); };
    request.send(JSON.stringify(subscription));
  }

  function ask() {
    say("failed", false);
    window.Notification.requestPermission().then(function (answer) {
      if (answer !== "granted") { say("denied", true); return null; }
      return worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) }).then(send);
    }).then(null, function () { say("failed", true); });
  }

  function show() {
    say("cannot", false);
    say("can", window.Notification.permission !== "denied");
    say("denied", window.Notification.permission === "denied");
  }

  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) { return; }
  navigator.serviceWorker.ready.then(function (registration) {
    worker = registration;
    show();
  }).then(null, function () { return null; });
  card.addEventListener("click", function (event) {
    if (event.target.hasAttribute && event.target.hasAttribute("data-push-on")) { ask(); }
  });
}());
