/* Keeps [data-live] parts of a page fresh. ES5, no library: it also runs in set-top boxes.
   One WebSocket; without it server-sent events; without those polling with ETag. */
(function () {
  "use strict";
  var root = document.documentElement;
  var surface = root.getAttribute("data-surface") || "resident";
  var state = { messages: 0, way: "", connected: false, sub: [], proofs: 0, reloads: 0 };
  window.linliLive = state;

  var since = {};
  var last = {};
  var waiting = {};
  var etags = {};
  var socket = null;
  var source = null;
  var failures = 0;
  var everHeard = false;
  var heardAt = 0;
  /* The hub says something at least every 22 s. A line that is cut without a word (a pulled plug, a router that forgot
     it) never closes by itself: one that is quiet is given up. */
  var WATCH_MS = 5000;
  var QUIET_MS = 50000;
  var FIRST_MS = 25000;
  var ANSWER_MS = 10000;
  var leaving = false;
  var own = {};
  var turn = 0;
  var POLL_MS = 5000;
  var OWN_TURNS = 12;
  var policy = null;
  if (window.trustedTypes && window.trustedTypes.createPolicy) {
    /* Fragments are drawn and escaped by our own server, on our own origin. */
    policy = window.trustedTypes.createPolicy("linli", { createHTML: function (html) { return html; } });
  }

  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i]); }
  }

  function meta(name) {
    var found = document.querySelector("meta[name=" + name + "]");
    return found ? found.getAttribute("content") : "";
  }

  function lang() {
    return root.lang === "en" ? "en" : "zh";
  }

  function topics() {
    var found = [];
    each(document.querySelectorAll("[data-live]"), function (part) {
      var topic = part.getAttribute("data-live");
      if (topic && found.indexOf(topic) < 0) { found.push(topic); }
    });
    return found;
  }

  function say(connected) {
    state.connected = connected;
    root.setAttribute("data-line", connected ? "on" : "off");
    each(document.querySelectorAll("[data-line-state]"), function (part) {
      part.textContent = part.getAttribute(connected ? "data-on" : "data-off") || "";
    });
  }

  /* Never under someone's fingers: a part with the focus in one of its fields waits until the focus leaves. */
  function busy(part) {
    var active = document.activeElement;
    return active && part !== active && part.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  }

  function fill(part, html, first) {
    part.innerHTML = policy ? policy.createHTML(html) : html;
    each(part.querySelectorAll("input[name=csrf]"), function (field) { field.value = meta("linli-csrf"); });
    part.className = part.className.replace(/ ?\bfresh\b/g, "") + (first ? "" : " fresh");
    fire("linli:fresh", part);
    watchNotices();
  }

  function fire(name, part) {
    var event = document.createEvent("Event");
    event.initEvent(name, true, false);
    part.dispatchEvent(event);
  }

  function swap(topic, html, first) {
    each(document.querySelectorAll("[data-live]"), function (part) {
      if (part.getAttribute("data-live") !== topic) { return; }
      if (busy(part)) {
        waiting[topic] = html;
      } else {
        delete waiting[topic];
        fill(part, html, first);
      }
    });
  }

  function release() {
    var topic;
    for (topic in waiting) {
      if (Object.prototype.hasOwnProperty.call(waiting, topic)) { swap(topic, waiting[topic]); }
    }
  }

  function now() { return new Date().getTime(); }

  function hear(text) {
    heardAt = now();
    everHeard = true;
    failures = 0;
    unsure = [];
    take(JSON.parse(text));
  }

  function take(said) {
    if (!said.t || typeof said.html !== "string") { return; }
    state.messages += 1;
    if (last[said.t] === said.html) { return; }
    /* The first message only repeats what the page was drawn with, or catches up by a moment: nothing glows. */
    swap(said.t, said.html, last[said.t] === undefined);
    last[said.t] = said.html;
    since[said.t] = said.id;
  }

  function again(connect) {
    var pause = Math.min(30000, 500 * Math.pow(2, failures)) * (0.5 + Math.random() / 2);
    failures += 1;
    say(false);
    window.setTimeout(connect, pause);
  }

  /* A way on which nothing ever came is left for the next one. */
  function lost(open, next) {
    if (everHeard || failures < 2) { again(open); return; }
    failures = 0;
    next();
  }

  function watchLine() {
    var quiet = now() - heardAt;
    var line = socket || source;
    if (quiet < 0) { heardAt = now(); }
    if (!line || quiet < (everHeard ? QUIET_MS : FIRST_MS)) { return; }
    line.onopen = line.onmessage = line.onclose = line.onerror = null;
    line.close();
    held = unsure.concat(held);
    unsure = [];
    if (socket) {
      socket = null;
      lost(openSocket, openEvents);
    } else {
      source = null;
      lost(openEvents, poll);
    }
  }

  function openSocket() {
    var scheme = location.protocol === "https:" ? "wss://" : "ws://";
    heardAt = now();
    try {
      socket = new WebSocket(scheme + location.host + "/live?surface=" + surface + "&lang=" + lang());
    } catch (error) {
      openEvents();
      return;
    }
    socket.onopen = function () {
      state.way = "socket";
      state.sub = topics();
      socket.send(JSON.stringify({ sub: state.sub, since: since, beat: true }));
      say(true);
      flush();
    };
    socket.onmessage = function (event) { hear(event.data); };
    socket.onclose = function (event) {
      socket = null;
      if (leaving) { return; }
      if (event.code === 4401) {
        /* The session has ended: what stands here may no longer be shown. */
        state.reloads += 1;
        location.reload();
        return;
      }
      lost(openSocket, openEvents);
    };
  }

  function query(list) {
    var parts = ["surface=" + surface, "lang=" + lang()];
    each(list, function (topic) { parts.push("t=" + encodeURIComponent(topic)); });
    return parts.join("&");
  }

  function openEvents() {
    if (!window.EventSource || !topics().length) { poll(); return; }
    state.way = "events";
    heardAt = now();
    source = new EventSource("/live/events?" + query(topics()));
    source.onopen = function () {
      heardAt = now();
      say(true);
    };
    source.onmessage = function (event) { hear(event.data); };
    source.onerror = function () {
      say(false);
      if (source.readyState === 2) { source = null; poll(); }
    };
  }

  /* What everybody may see is asked for in one; what is the asker's own by itself, on a television once a minute. */
  function poll() {
    var shared = [];
    var mine = [];
    state.way = "poll";
    each(topics(), function (topic) { (own[topic] ? mine : shared).push(topic); });
    if (shared.length) { ask(shared); }
    if (turn % (surface === "tv" ? OWN_TURNS : 1) === 0) { each(mine, function (topic) { ask([topic]); }); }
    turn += 1;
    window.setTimeout(poll, POLL_MS * (0.8 + 0.4 * Math.random()));
  }

  function ask(list) {
    var asked = new XMLHttpRequest();
    var wanted = query(list);
    var bound = window.setTimeout(function () { asked.abort(); }, ANSWER_MS);
    asked.open("GET", "/live/poll?" + wanted, true);
    if (etags[wanted]) { asked.setRequestHeader("If-None-Match", etags[wanted]); }
    asked.onreadystatechange = function () {
      if (asked.readyState !== 4) { return; }
      window.clearTimeout(bound);
      say(asked.status === 200 || asked.status === 304);
      if (asked.status === 200) {
        etags[wanted] = asked.getResponseHeader("ETag");
        heard(JSON.parse(asked.responseText));
      }
    };
    asked.send();
  }

  function heard(answer) {
    each(answer.length === undefined ? [answer] : answer, function (said) {
      if (said.own) { own[said.t] = true; turn = 0; } else { take(said); }
    });
  }

  /* Proofs: a notice in view for 5 s was shown; one that was opened or pressed was seen. Each is told once a revision. */
  var told = {};
  var inView = {};
  var held = [];
  var unsure = [];
  var SHOWN_MS = 5000;

  function prove(part, level) {
    var notice = part.getAttribute("data-notice");
    var rev = parseInt(part.getAttribute("data-rev") || "0", 10) || 0;
    var key = notice + "/" + rev + "/" + level;
    if (!notice || told[key]) { return; }
    told[key] = true;
    held.push({ notice: notice, rev: rev, level: level });
    flush();
  }
  state.prove = prove;

  function flush() {
    var proofs = held;
    if (!proofs.length) { return; }
    if (socket && socket.readyState === 1) {
      socket.send(JSON.stringify({ proof: proofs }));
      unsure = unsure.concat(proofs);
    } else if (state.way === "events" || state.way === "poll") {
      var post = new XMLHttpRequest();
      post.open("POST", "/live/proof?surface=" + surface, true);
      post.setRequestHeader("Content-Type", "application/json");
      post.setRequestHeader("X-CSRF", meta("linli-csrf"));
      post.send(JSON.stringify({ proof: proofs }));
    } else {
      return;
    }
    state.proofs += proofs.length;
    held = [];
  }

  function visible(part) {
    var box = part.getBoundingClientRect();
    var height = window.innerHeight || root.clientHeight;
    if (document.visibilityState === "hidden" || !box.height || !box.width) { return false; }
    return box.top < height && box.bottom > 0 && Math.min(box.bottom, height) - Math.max(box.top, 0) >= Math.min(box.height, height) / 2;
  }

  function watchNotices() {
    var time = now();
    var seen = {};
    var limit = parseInt((document.body && document.body.getAttribute("data-shown-ms")) || SHOWN_MS, 10);
    each(document.querySelectorAll("[data-notice]"), function (part) {
      var key = part.getAttribute("data-notice") + "/" + (part.getAttribute("data-rev") || "0");
      if (seen[key] || !visible(part)) { return; }
      seen[key] = true;
      if (!inView[key]) { inView[key] = time; }
      if (time - inView[key] >= limit) { prove(part, "shown"); }
    });
    each(Object.keys(inView), function (key) { if (!seen[key]) { delete inView[key]; } });
  }

  function pressed(event) {
    var part = event.target;
    while (part && part.getAttribute) {
      if (part.hasAttribute("data-seen") && part.hasAttribute("data-notice")) { prove(part, "seen"); return; }
      part = part.parentNode;
    }
  }

  document.addEventListener("focusout", function () { window.setTimeout(release, 0); });
  document.addEventListener("click", pressed);
  window.addEventListener("pagehide", function () { leaving = true; });
  window.addEventListener("pageshow", function (event) {
    /* Come back from the browser's memory: the socket is gone, and so may the session be. */
    if (event.persisted) { leaving = false; location.reload(); }
  });

  function start() {
    window.setInterval(watchNotices, 500);
    watchNotices();
    if (!topics().length) { return; }
    window.setInterval(watchLine, WATCH_MS);
    if (window.WebSocket && root.getAttribute("data-way") !== "poll") { openSocket(); } else { openEvents(); }
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", start); } else { start(); }
}());
