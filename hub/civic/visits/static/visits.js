/* A round without a line: results wait in this phone, with their own times, and are sent once it is back. ES5.
   What waits is kept under the worker's id and deleted as soon as the hub has answered for it, or on signing out. */
(function () {
  "use strict";
  var root = document.querySelector("[data-visits]");
  var me = root ? root.getAttribute("data-visits") : "";
  var PREFIX = "linli-visits:";
  var sending = false, leaving = false, first = null;
  if (!root || !me) { return; }

  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i]); }
  }

  function held() {
    try { return JSON.parse(window.localStorage.getItem(PREFIX + me) || "[]"); } catch (unreadable) { return []; }
  }

  /* False where the phone keeps nothing (private mode, full): then the form goes its ordinary way. */
  function keep(list) {
    try {
      if (list.length) { window.localStorage.setItem(PREFIX + me, JSON.stringify(list)); } else { window.localStorage.removeItem(PREFIX + me); }
      return true;
    } catch (refused) { return false; }
  }

  function others() {
    var i, name, found = false;
    try {
      for (i = 0; i < window.localStorage.length; i += 1) {
        name = window.localStorage.key(i);
        if (name.indexOf(PREFIX) === 0 && name !== PREFIX + me) { found = true; }
      }
    } catch (refused) { return false; }
    return found;
  }

  function say(what, shown, n) {
    each(root.querySelectorAll("[data-say=" + what + "]"), function (part) {
      if (!part.getAttribute("data-words")) { part.setAttribute("data-words", part.textContent); }
      if (n !== undefined) { part.textContent = part.getAttribute("data-words").replace("{n}", String(n)); }
      part.hidden = !shown;
    });
  }

  function door(ident) { return root.querySelector("[data-door=\"" + ident + "\"]"); }

  function show() {
    var waiting = held(), some = {};
    each(waiting, function (one) { some[one.visit] = true; });
    each(root.querySelectorAll("[data-door]"), function (part) {
      var kept = some[part.getAttribute("data-door")] === true;
      part.querySelector("[data-kept]").hidden = !kept;
      part.querySelector(".report").hidden = kept;
      if (kept) { part.querySelector(".report").removeAttribute("open"); }
    });
    say("waiting", waiting.length > 0, waiting.length);
    say("offline", window.navigator.onLine === false);
    say("others", others());
  }

  function tell(sentence, ident) {
    var list = root.querySelector("[data-told]"), line = document.createElement("li"), at = door(ident);
    line.className = "note note-warn";
    line.textContent = (at ? at.querySelector("h2").textContent + ": " : "") + sentence;
    list.appendChild(line);
  }

  function answered(items) {
    var done = {}, plain = true;
    each(items, function (one) {
      done[one.key] = true;
      if (one.state !== "kept") { plain = false; tell(one.sentence, one.visit); }
    });
    keep(held().filter(function (one) { return done[one.key] !== true; }));
    show();
    if (plain && !busy()) { location.reload(); } else { say("news", true); }
  }

  /* Somebody is writing, or has a door open: nothing may move under the finger. */
  function busy() { return root.querySelector(".report[open], .reveal[open]") !== null; }

  function request(path, done, failed) {
    var asked = new XMLHttpRequest();
    asked.open("POST", path, true);
    asked.timeout = 30000;
    asked.setRequestHeader("Accept", "application/json");
    asked.setRequestHeader("X-CSRF", document.querySelector("meta[name=linli-csrf]").getAttribute("content"));
    asked.onload = function () {
      if (asked.status === 200) { done(JSON.parse(asked.responseText)); } else { failed(asked.status); }
    };
    asked.onerror = function () { failed(0); };
    asked.ontimeout = asked.onerror;
    return asked;
  }

  function send() {
    var waiting = held().slice(0, 100), asked;
    if (sending || !waiting.length) { return; }
    sending = true;
    asked = request("/visits/results", function (said) {
      sending = false;
      say("signin", false);
      answered(said.items);
    }, function (status) {
      sending = false;
      say("signin", status === 401 || status === 403);
      say("offline", status === 0);
    });
    asked.setRequestHeader("Content-Type", "application/json");
    asked.send(JSON.stringify({ results: waiting }));
  }

  function fresh() {
    var list = new Uint8Array(12), text = "", i;
    window.crypto.getRandomValues(list);
    for (i = 0; i < list.length; i += 1) { text += (list[i] < 16 ? "0" : "") + list[i].toString(16); }
    return text;
  }

  function record(form, event) {
    var chosen = form.querySelector("[name=result]:checked"), list = held();
    var signed = chosen && chosen.hasAttribute("data-signed");
    if (!chosen) { return; }
    list.push({
      key: fresh(), visit: form.getAttribute("data-report"), result: chosen.value,
      person: signed ? form.querySelector("[name=person]").value : "", note: form.querySelector("[name=note]").value,
      signature: signed ? form.querySelector("[name=signature]").value : "", at: new Date().toISOString()
    });
    if (!keep(list)) { return; }
    event.preventDefault();
    form.reset();
    show();
    send();
  }

  function reveal(form, why, event) {
    var asked, person = form.getAttribute("data-reveal");
    if (!why) { return; }
    event.preventDefault();
    asked = request(form.getAttribute("action"), function (said) {
      var part = form.parentNode;
      part.parentNode.querySelector("[data-name]").textContent = said.name + (said.phone ? " " + said.phone : "");
      part.parentNode.removeChild(part);
    }, function (status) { say("offline", status === 0); say("signin", status === 401 || status === 403); });
    asked.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    asked.send("person=" + encodeURIComponent(person) + "&why=" + encodeURIComponent(why));
  }

  /* What is signed for asks who opened; "met" offers only whom the visit is to. */
  function fit(form) {
    var chosen = form.querySelector("[name=result]:checked"), signed = chosen && chosen.hasAttribute("data-signed");
    var person = form.querySelector("[name=person]"), named = form.querySelector("option[data-named]") !== null, i, one;
    each(form.querySelectorAll("[data-for-signed]"), function (part) { part.hidden = !signed; });
    form.querySelector("[name=signature]").required = Boolean(signed);
    for (i = 0; signed && i < person.options.length; i += 1) {
      one = person.options[i];
      one.disabled = chosen.value === "met" ? one.value === "" || (named && !one.hasAttribute("data-named")) : one.hasAttribute("data-named");
    }
    for (i = 0; signed && person.selectedIndex >= 0 && person.options[person.selectedIndex].disabled && i < person.options.length; i += 1) {
      if (!person.options[i].disabled) { person.selectedIndex = i; }
    }
  }

  function order(by) {
    var list = root.querySelector("[data-doors]"), doors = [], i;
    each(list.children, function (part) { doors.push(part); });
    doors.sort(function (a, b) { return Number(a.getAttribute("data-" + by)) - Number(b.getAttribute("data-" + by)); });
    for (i = 0; i < doors.length; i += 1) { list.appendChild(doors[i]); }
    each(root.querySelectorAll("[data-order]"), function (part) {
      part.setAttribute("aria-current", part.getAttribute("data-order") === by ? "true" : "false");
    });
  }

  function leave(event) {
    var i, name;
    if (held().length && !leaving) {
      leaving = true;
      event.preventDefault();
      event.target.removeAttribute("data-sent");
      say("leaving", true);
      send();
      return;
    }
    try {
      for (i = window.localStorage.length - 1; i >= 0; i -= 1) {
        name = window.localStorage.key(i);
        if (name === PREFIX + me) { window.localStorage.removeItem(name); }
      }
    } catch (refused) { say("leaving", false); }
  }

  document.addEventListener("click", function (event) {
    var part = event.target;
    while (part && part.getAttribute && !part.hasAttribute("data-order")) { part = part.parentNode; }
    if (part && part.getAttribute && root.querySelector("[data-doors]")) {
      event.preventDefault();
      order(part.getAttribute("data-order"));
    }
  });
  document.addEventListener("click", function (event) {
    if (event.target.name === "why") { event.target.form.setAttribute("data-why", event.target.value); }
  }, true);
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.hasAttribute("data-report")) { record(form, event); }
    if (form.hasAttribute("data-reveal")) { reveal(form, form.getAttribute("data-why"), event); }
    if (form.hasAttribute("data-leave")) { leave(event); }
  });
  document.addEventListener("change", function (event) {
    if (event.target.name === "result" && event.target.form.hasAttribute("data-report")) { fit(event.target.form); }
  });
  /* The hub has told the tally anew: load the list, unless somebody has a door open. */
  document.addEventListener("linli:fresh", function () {
    var part = root.querySelector("[data-stamp]"), stamp = part ? part.getAttribute("data-stamp") : "";
    if (first !== null && stamp !== first) {
      first = stamp;
      if (busy() || held().length) { say("news", true); } else { location.reload(); }
    }
  });

  /* The list itself is kept for reading without a line; the worker that keeps it forgets it on signing out. */
  function work() {
    var script = "/sw.js", files = ["/visits"];
    if (!("serviceWorker" in window.navigator)) { return; }
    each(document.querySelectorAll("link[rel=stylesheet], script[src]"), function (part) {
      files.push(part.getAttribute("href") || part.getAttribute("src"));
    });
    if (window.trustedTypes && window.trustedTypes.createPolicy) {
      script = window.trustedTypes.createPolicy("linli-worker", { createScriptURL: function () { return "/sw.js"; } }).createScriptURL("");
    }
    window.navigator.serviceWorker.register(script).then(function () { return window.navigator.serviceWorker.ready; })
      .then(function (worker) { worker.active.postMessage({ keep: files }); })
      .then(null, function () { return null; });
  }

  each(root.querySelectorAll("[data-report]"), fit);
  first = root.querySelector("[data-stamp]") ? root.querySelector("[data-stamp]").getAttribute("data-stamp") : "";
  window.addEventListener("online", function () { say("offline", false); send(); });
  window.addEventListener("offline", show);
  window.setInterval(send, 30000);
  show();
  send();
  if (location.protocol === "https:" || /^(localhost|127\.|\[::1\])/.test(location.hostname)) { work(); }
}());
