/* Small kindnesses; every page works without them. ES5. */
(function () {
  "use strict";
  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i]); }
  }

  function two(number) { return (number < 10 ? "0" : "") + number; }

  /* The written times are absolute, since fragments are drawn once and kept; here they become friendly. The day is the
     area's day: the offset stands in the datetime itself. */
  function friendly(part, now) {
    var at = new Date(part.getAttribute("datetime"));
    var zh = part.getAttribute("data-lang") !== "en";
    var minutes = Math.floor((now - at) / 60000);
    var offset = /([+-])(\d\d):(\d\d)$/.exec(part.getAttribute("datetime"));
    var zone = offset ? (offset[1] === "-" ? -1 : 1) * (parseInt(offset[2], 10) * 60 + parseInt(offset[3], 10)) : 0;
    var local = new Date(at.getTime() + zone * 60000);
    var today = new Date(now.getTime() + zone * 60000);
    var days = Math.floor(today.getTime() / 86400000) - Math.floor(local.getTime() / 86400000);
    var clock = two(local.getUTCHours()) + ":" + two(local.getUTCMinutes());
    if (isNaN(minutes)) { return ""; }
    if (minutes >= 0 && minutes < 1) { return zh ? "刚刚" : "just now"; }
    if (minutes >= 0 && minutes < 60) { return zh ? minutes + " 分钟前" : minutes + " min ago"; }
    if (days === 0) { return (zh ? "今天 " : "today ") + clock; }
    if (days === 1) { return (zh ? "昨天 " : "yesterday ") + clock; }
    if (days === -1) { return (zh ? "明天 " : "tomorrow ") + clock; }
    return "";
  }

  function times() {
    var now = new Date();
    each(document.querySelectorAll("time.when"), function (part) {
      var words = friendly(part, now);
      if (!part.getAttribute("title")) { part.setAttribute("title", part.textContent); }
      part.textContent = words || part.getAttribute("title");
    });
  }

  /* On paper "just now" would be wrong a minute later. */
  function written() {
    each(document.querySelectorAll("time.when[title]"), function (part) { part.textContent = part.getAttribute("title"); });
  }

  /* What is said for a while (an advice) goes when its time is over, also on a page that was drawn before and kept. */
  function ends() {
    var now = new Date();
    each(document.querySelectorAll("[data-until]"), function (part) {
      if (new Date(part.getAttribute("data-until")) <= now) { part.hidden = true; }
    });
  }

  function fresh() { times(); ends(); }

  function start() {
    fresh();
    window.setInterval(fresh, 30000);
    goHome(document.body);
    document.addEventListener("linli:fresh", fresh);
    window.addEventListener("beforeprint", written);
    window.addEventListener("afterprint", times);
    /* A double press sends a form once. */
    document.addEventListener("submit", function (event) {
      var form = event.target;
      if (form.getAttribute("data-sent")) { event.preventDefault(); return; }
      form.setAttribute("data-sent", "1");
      window.setTimeout(function () { form.removeAttribute("data-sent"); }, 4000);
    });
    window.addEventListener("pageshow", function () {
      each(document.querySelectorAll("form[data-sent]"), function (form) { form.removeAttribute("data-sent"); });
    });
    var secure = location.protocol === "https:" || /^(localhost|127\.|\[::1\])/.test(location.hostname);
    if (document.querySelector("link[rel=manifest]") && "serviceWorker" in navigator && secure) {
      var script = "/sw.js";
      if (window.trustedTypes && window.trustedTypes.createPolicy) {
        script = window.trustedTypes.createPolicy("linli-worker", { createScriptURL: function () { return "/sw.js"; } }).createScriptURL("");
      }
      navigator.serviceWorker.register(script).then(function () { return null; }, function () { return null; });
    }
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", start); } else { start(); }

  /* A screen in a public room goes home when nobody has touched it for a while, so that nobody finds what another one
     was reading. A touch begins the time anew. */
  function goHome(body) {
    var home = body.getAttribute("data-home"), ms = Number(body.getAttribute("data-home-s")) * 1000, touched = new Date();
    if (!home || !ms) { return; }
    each(["touchstart", "mousedown", "keydown", "scroll"], function (name) {
      window.addEventListener(name, function () { touched = new Date(); }, true);
    });
    window.setInterval(function () {
      if (new Date() - touched >= ms) { window.location.replace(home); }
    }, 1000);
  }
}());
