/* Asks the browser for a push subscription and hands it to the page's own address. ES5; without push the page says so
   and stays. A page without `data-mine` does not know which browser it has. */
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

  function text(buffer) {
    var list = new Uint8Array(buffer), plain = "", i;
    for (i = 0; i < list.length; i += 1) { plain += String.fromCharCode(list[i]); }
    return window.btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function send(subscription) {
    var request = new XMLHttpRequest();
    request.open("POST", card.getAttribute("data-to"));
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

  function show(subscription) {
    var mine = card.getAttribute("data-mine");
    var here = subscription && mine && text(subscription.getKey("p256dh")) === mine;
    say("cannot", false);
    say("can", !here && window.Notification.permission !== "denied");
    say("denied", window.Notification.permission === "denied");
    say("elsewhere", Boolean(mine) && !here);
  }

  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) { return; }
  navigator.serviceWorker.ready.then(function (registration) {
    worker = registration;
    return registration.pushManager.getSubscription().then(show);
  }).then(null, function () { return null; });
  card.addEventListener("click", function (event) {
    if (event.target.hasAttribute && event.target.hasAttribute("data-push-on")) { ask(); }
  });
}());
