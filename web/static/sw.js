/* Reading without a network: the shell, and the last first page. Other personal pages are never kept, and signing out
   clears what was: phones are shared. Engines without workers never load this file. */
"use strict";
var CACHE = "linli-@VERSION@";
var FILES = ["@FILES@"];

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
  return caches.open(CACHE).then(function (cache) { return cache.delete("/"); });
}

function kept(request) {
  return caches.match(request).then(function (found) { return found || fetch(request); });
}

function keep(event, answer) {
  if (answer.ok && answer.type === "basic" && !answer.redirected) {
    var copy = answer.clone();
    event.waitUntil(caches.open(CACHE).then(function (cache) { return cache.put("/", copy); }));
  }
  return answer;
}

function lastHome() {
  return caches.match("/").then(function (found) { return found || Response.error(); });
}

self.addEventListener("fetch", function (event) {
  var url = new URL(event.request.url);
  if (url.origin !== location.origin) { return; }
  if (event.request.method === "POST" && (url.pathname === "/logout" || url.pathname === "/login")) {
    event.waitUntil(forget());
  } else if (event.request.method === "GET" && url.pathname.indexOf("/static/") === 0) {
    event.respondWith(kept(event.request));
  } else if (event.request.mode === "navigate" && event.request.method === "GET" && url.pathname === "/") {
    event.respondWith(fetch(event.request).then(function (answer) { return keep(event, answer); }).catch(lastHome));
  }
});
