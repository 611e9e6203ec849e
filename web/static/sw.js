/* Reading without a network: the shell, the last first page, and a grid worker's round. Other personal pages are never
   kept, and signing out clears what was: phones are shared. Engines without workers never load this file. */
"use strict";
var CACHE = "linli-@VERSION@";
var FILES = ["@FILES@"];
var PAGES = ["/", "/visits", "/desk/counter/away"];

self.addEventListener("install", function (event) {
  event.waitUntil(
    caches.open(CACHE)
      .then(function (cache) { return cache.addAll(FILES); })
      .then(function () { return self.skipWaiting(); })
  );
});

self.addEventListener("activate", function (event) {
  event.waitUntil(
    caches.keys()
      .then(function (names) {
        var old = names.filter(function (name) { return name !== CACHE; });
        return Promise.all(old.map(function (name) { return caches.delete(name); }));
      })
      .then(function () { return self.clients.claim(); })
  );
});

function forget() {
  return caches.open(CACHE).then(function (cache) {
    return Promise.all(PAGES.map(function (page) { return cache.delete(page); }));
  });
}

function kept(request) {
  return caches.match(request).then(function (found) { return found || fetch(request); });
}

function own(answer) { return answer.ok && answer.type === "basic" && !answer.redirected; }

function keep(event, page, answer) {
  if (own(answer)) {
    var copy = answer.clone();
    event.waitUntil(caches.open(CACHE).then(function (cache) { return cache.put(page, copy); }));
  }
  return answer;
}

function last(page) {
  return caches.match(page).then(function (found) { return found || Response.error(); });
}

/* A page that was loaded before this worker ruled asks to be kept, with what it is drawn with. */
self.addEventListener("message", function (event) {
  var asked = event.data && event.data.keep ? event.data.keep : [];
  event.waitUntil(caches.open(CACHE).then(function (cache) {
    return Promise.all(asked.map(function (path) {
      if (PAGES.indexOf(path) < 0 && path.indexOf("/static/") !== 0) { return null; }
      return fetch(path, { credentials: "same-origin" }).then(function (answer) {
        return own(answer) ? cache.put(path, answer) : null;
      }, function () { return null; });
    }));
  }));
});

/* A message from the hub: {t title, b body, u path, g tag, p priority, l language, r receipt token}. What cannot be read
   still shows that something came: browsers end a subscription whose pushes show nothing. */
function read(event) {
  var said = null;
  try { said = event.data ? event.data.json() : null; } catch (unreadable) { said = null; }
  return said && typeof said === "object" ? said : {};
}

function words(said, name) { return typeof said[name] === "string" ? said[name] : ""; }

/* The token is the proof, so no cookie goes along; a lost report only leaves the hub knowing less. */
function tell(token, did) {
  if (!token) { return Promise.resolve(); }
  return fetch("/callback/webpush", {
    method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ r: token, did: did })
  }).then(function () { return null; }, function () { return null; });
}

self.addEventListener("push", function (event) {
  var said = read(event);
  var title = words(said, "t") || (words(said, "l") === "en" ? "You have a new message" : "您有一条新消息");
  var shown = self.registration.showNotification(title, {
    body: words(said, "b"), tag: words(said, "g") || "linli", renotify: true, icon: "/static/icon.svg",
    lang: words(said, "l") === "en" ? "en" : "zh-CN", requireInteraction: words(said, "p") === "emergency",
    data: { path: words(said, "u"), token: words(said, "r") }
  });
  event.waitUntil(shown.then(function () { return tell(words(said, "r"), "shown"); }));
});

self.addEventListener("notificationclick", function (event) {
  var data = event.notification.data || {};
  var path = /^\/(?![\/\\])/.test(data.path || "") ? data.path : "/";
  event.notification.close();
  event.waitUntil(Promise.all([tell(data.token, "opened"), self.clients.openWindow(path)]));
});

self.addEventListener("fetch", function (event) {
  var url = new URL(event.request.url);
  if (url.origin !== location.origin) { return; }
  if (event.request.method === "POST" && (url.pathname === "/logout" || url.pathname === "/login")) {
    event.waitUntil(forget());
  } else if (event.request.method === "GET" && url.pathname.indexOf("/static/") === 0) {
    event.respondWith(kept(event.request));
  } else if (event.request.mode === "navigate" && event.request.method === "GET" && PAGES.indexOf(url.pathname) >= 0) {
    event.respondWith(
      fetch(event.request)
        .then(function (answer) { return keep(event, url.pathname, answer); })
        .catch(function () { return last(url.pathname); })
    );
  }
});
