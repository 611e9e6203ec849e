/* A counter without a line: what it may hand over stands in the page, what it handed over in this browser's own store
   (IndexedDB: one key for each redemption, so two windows cannot hand over the same), and is sent once there is a line. */
(function () {
  "use strict";
  var root = document.querySelector("[data-away]");
  var lease = root ? root.getAttribute("data-away") : "";
  var subtle = window.crypto && window.crypto.subtle;
  var base = null, ahead = 0, latest = 0, sending = false, kept = [];
  if (!root) { return; }

  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i]); }
  }

  function say(what, shown, n) {
    var part = root.querySelector("[data-say=" + what + "]");
    if (!part.getAttribute("data-words")) { part.setAttribute("data-words", part.textContent); }
    if (n !== undefined) { part.textContent = part.getAttribute("data-words").replace("{n}", String(n)); }
    part.hidden = !shown;
  }

  function row(redemption) { return root.querySelector("[data-redemption=\"" + redemption + "\"]"); }

  /* The hub's time: this machine's, put right by what the hub said when the lease was first seen. */
  function now() { return new Date().getTime() + ahead; }

  function over() { return now() > Number(root.getAttribute("data-until")); }

  function backwards() {
    var at = now();
    if (at < latest - 60000) { return true; }
    latest = Math.max(latest, at);
    return false;
  }

  function store(mode) { return base.transaction("handed", mode).objectStore("handed"); }

  function remember() {
    base.transaction("clock", "readwrite").objectStore("clock").put({ lease: lease, ahead: ahead, latest: latest });
  }

  function show() {
    var waiting = 0;
    each(kept, function (line) {
      var part = row(line.redemption), sent = line.state === "picked";
      if (!sent && line.state !== "refused") { waiting += 1; }
      if (!part) { return; }
      part.querySelector("[data-here]").hidden = true;
      part.querySelector("[data-kept]").hidden = sent;
      part.querySelector("[data-sent]").hidden = !sent;
    });
    say("waiting", waiting > 0, waiting);
    say("offline", window.navigator.onLine === false);
    say("over", over());
    say("clock", backwards());
    root.querySelector("[data-home] button").disabled = waiting > 0;
  }

  function load(done) {
    var asked = store("readonly").openCursor();
    kept = [];
    asked.onsuccess = function () {
      var at = asked.result;
      if (!at) { done(); return; }
      if (at.value.lease === lease) { kept.push(at.value); }
      at["continue"]();
    };
  }

  function fresh() { load(show); }

  function told(line, sentence) {
    var list = root.querySelector("[data-told]"), part = row(line.redemption), said = document.createElement("p");
    said.className = "note note-bad";
    said.textContent = (part ? part.querySelector("[data-what]").textContent + ": " : "") + sentence;
    list.appendChild(said);
  }

  function answered(items) {
    var write = base.transaction("handed", "readwrite"), shelf = write.objectStore("handed");
    each(items, function (item) {
      each(kept, function (line) {
        if (line.redemption !== item.redemption) { return; }
        line.state = item.state;
        line.sentence = item.sentence;
        shelf.put(line);
        if (item.state === "refused") { told(line, item.sentence); }
      });
    });
    write.oncomplete = fresh;
  }

  function send() {
    var lines = kept.filter(function (line) { return line.state === ""; }), asked;
    if (sending || !lines.length || !base) { return; }
    sending = true;
    asked = new XMLHttpRequest();
    asked.open("POST", "/desk/counter/away/lines", true);
    asked.timeout = 30000;
    asked.setRequestHeader("Accept", "application/json");
    asked.setRequestHeader("Content-Type", "application/json");
    asked.setRequestHeader("X-CSRF", document.querySelector("meta[name=linli-csrf]").getAttribute("content"));
    asked.onload = function () {
      sending = false;
      say("signin", asked.status === 401 || asked.status === 403);
      if (asked.status === 200) { answered(JSON.parse(asked.responseText).items); }
    };
    asked.onerror = function () { sending = false; say("offline", true); };
    asked.ontimeout = asked.onerror;
    asked.send(JSON.stringify({ counter: lease, lines: lines.slice(0, 100).map(function (line) {
      return { redemption: line.redemption, code: line.code, at: new Date(line.at).toISOString() };
    }) }));
  }

  function bytes(text) {
    var list = new Uint8Array(text.length), i;
    for (i = 0; i < text.length; i += 1) { list[i] = text.charCodeAt(i); }
    return list;
  }

  function mark(code) {
    return subtle.importKey("raw", bytes(code), "PBKDF2", false, ["deriveBits"]).then(function (key) {
      return subtle.deriveBits(
        { name: "PBKDF2", hash: "SHA-256", salt: bytes(lease), iterations: Number(root.getAttribute("data-rounds")) }, key, 256
      );
    }).then(function (bits) {
      var list = new Uint8Array(bits), text = "", i;
      for (i = 0; i < list.length; i += 1) { text += (list[i] < 16 ? "0" : "") + list[i].toString(16); }
      return text;
    });
  }

  function said(given, wrong) {
    var good = root.querySelector("[data-given]"), bad = root.querySelector("[data-wrong]");
    good.hidden = !given;
    bad.hidden = !wrong;
    good.textContent = given ? good.getAttribute("data-words").replace("{what}", given) : "";
    bad.textContent = wrong ? bad.getAttribute("data-" + wrong) : "";
  }

  /* `add` fails where the key is there: whoever comes second, in this window or another, hands nothing over. */
  function give(part, code) {
    var write = base.transaction("handed", "readwrite"), what = part.querySelector("[data-what]").textContent;
    write.objectStore("handed").add({
      key: lease + "/" + part.getAttribute("data-redemption"), lease: lease, redemption: part.getAttribute("data-redemption"),
      code: code, at: now(), state: ""
    });
    write.oncomplete = function () { said(what, ""); load(function () { show(); send(); }); };
    write.onabort = function () { said("", "again"); };
  }

  document.addEventListener("submit", function (event) {
    var form = event.target, code;
    if (!form.hasAttribute("data-code")) { return; }
    event.preventDefault();
    code = form.elements.code.value.replace(/\s/g, "");
    form.elements.code.value = "";
    said("", "");
    if (!base || over() || backwards()) { show(); return; }
    remember();
    mark(code).then(function (text) {
      var part = root.querySelector("[data-mark=\"" + text + "\"]");
      if (part) { give(part, code); } else { said("", "unknown"); }
    });
  });

  /* The page itself is kept for work without a line; the worker that keeps it forgets it on signing out. */
  function work() {
    var script = "/sw.js", files = ["/desk/counter/away"];
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

  function begin() {
    var asked = base.transaction("clock", "readonly").objectStore("clock").get(lease);
    asked.onsuccess = function () {
      if (asked.result) {
        ahead = asked.result.ahead;
        latest = asked.result.latest;
      } else {
        ahead = Number(root.getAttribute("data-now")) - new Date().getTime();
        latest = now();
        remember();
      }
      load(function () {
        each(kept, function (line) { if (line.state === "refused") { told(line, line.sentence); } });
        show();
        send();
      });
      window.setInterval(function () { show(); send(); }, 15000);
      work();
    };
  }

  function open() {
    var asked = window.indexedDB.open("linli-counter", 1);
    asked.onupgradeneeded = function () {
      asked.result.createObjectStore("handed", { keyPath: "key" });
      asked.result.createObjectStore("clock", { keyPath: "lease" });
    };
    asked.onerror = function () { say("unable", true); };
    asked.onsuccess = function () { base = asked.result; begin(); };
  }

  window.addEventListener("online", function () { show(); send(); });
  window.addEventListener("offline", show);
  if (subtle && window.indexedDB && "serviceWorker" in window.navigator) { open(); } else { say("unable", true); }
}());
