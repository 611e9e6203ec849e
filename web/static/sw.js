/* Reading without a network: the shell, and the last first page. Other personal pages are never kept, and signing out
   clears what was: phones are shared. Modern syntax is fine here; engines without workers never load this file. */
"use strict";
const CACHE = "linli-@VERSION@";
const FILES = ["@FILES@"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim())
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin) { return; }
  if (event.request.method === "POST" && (url.pathname === "/logout" || url.pathname === "/login")) {
    event.waitUntil(caches.open(CACHE).then((cache) => cache.delete("/")));
    return;
  }
  if (event.request.method !== "GET") { return; }
  if (url.pathname.startsWith("/static/")) {
    event.respondWith(caches.match(event.request).then((kept) => kept || fetch(event.request)));
    return;
  }
  if (event.request.mode === "navigate" && url.pathname === "/") {
    event.respondWith(
      fetch(event.request)
        .then((answer) => {
          if (answer.ok && answer.type === "basic" && !answer.redirected) {
            const copy = answer.clone();
            event.waitUntil(caches.open(CACHE).then((cache) => cache.put("/", copy)));
          }
          return answer;
        })
        .catch(() => caches.match("/").then((kept) => kept || Response.error()))
    );
  }
});
