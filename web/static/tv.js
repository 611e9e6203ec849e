/* The remote control: six keys and digits, a back stack, page turning, the emergency sheet. ES5, no focus of the browser. */
(function () {
  "use strict";
  var KEYS = { LEFT: 37, UP: 38, RIGHT: 39, DOWN: 40, OK: 13, BACK: 8, ESCAPE: 27, RED: 275, RED_OLD: 1108, GREEN: 276, GREEN_OLD: 1109, YELLOW: 277, YELLOW_OLD: 1110, BLUE: 278, BLUE_OLD: 1111, VIRTUAL: 768, PAGE_UP: 33, PAGE_DOWN: 34 };
  var FLIP_MS = 12000;
  var READ_MS = root().lang === "en" ? 125 : 250;
  var ROWS = 5;
  var stage = byId("stage");
  var stack = [];
  var focus = 0;
  var flip = 0;
  var answers = {};
  var lastPage = {};
  var alarm = { key: "", open: false, page: 0, item: null, closed: {} };
  var loaded = new Date().getTime();
  var heard = loaded;
  var day = byId("day").textContent;
  var CUT_MS = 20000;
  var TICK_MS = 10000;
  var JUMP_MS = 120000;
  var ticked = loaded;
  var stale = false;

  function root() { return document.documentElement; }

  function byId(id) { return document.getElementById(id); }

  function each(list, work) {
    var i;
    for (i = 0; i < list.length; i += 1) { work(list[i], i); }
  }

  function show(node, on) {
    node.className = node.className.replace(/ ?\baway\b/g, "") + (on ? "" : " away");
  }

  function mark(node, on) {
    node.className = node.className.replace(/ ?\bon\b/g, "") + (on ? " on" : "");
  }

  function write(id, text) { byId(id).textContent = text; }

  function word(name, n, m) {
    return stage.getAttribute("data-" + name).replace("{n}", n).replace("{m}", m);
  }

  /* What a fragment says of one item: title, small print, text, and which notice it proves. */
  function read(node) {
    var copy = node.cloneNode(true);
    var body = copy.querySelector(".tv-body");
    var meta = copy.querySelector(".tv-meta");
    var title;
    if (body) { body.parentNode.removeChild(body); }
    if (meta) { meta.parentNode.removeChild(meta); }
    title = copy.querySelector(".tv-title") || copy;
    return {
      notice: node.getAttribute("data-notice") || "",
      rev: node.getAttribute("data-rev") || "0",
      phone: node.getAttribute("data-phone") || "",
      code: node.getAttribute("data-code") || "",
      open: node.getAttribute("data-open") || "",
      form: (/\btv-(drill|clear)\b/.exec(node.className) || ["", "emergency"])[1],
      title: clean(title.textContent),
      meta: meta ? clean(meta.textContent) : "",
      body: body ? paragraphs(body) : ""
    };
  }

  function clean(text) { return text.replace(/\s+/g, " ").replace(/^ | $/g, ""); }

  function paragraphs(body) {
    var parts = body.querySelectorAll("p, li");
    var lines = [];
    if (!parts.length) { return body.textContent.replace(/[ \t]+/g, " ").replace(/^\s+|\s+$/g, ""); }
    each(parts, function (part) { lines.push(clean(part.textContent)); });
    return lines.join("\n");
  }

  /* Behind a tile lies one list; behind the blue key, `home`, lie those of several slices, one after the other. */
  function items(tile) {
    var found = [];
    each(document.querySelectorAll("ul[data-for='" + tile + "'] .tv-item"), function (node) { found.push(read(node)); });
    return found;
  }

  function bound() {
    var node = document.querySelector("[data-for=home] [data-bound]");
    return node ? node.getAttribute("data-bound") : "";
  }

  function label(node, item) {
    if (item && item.notice) {
      node.setAttribute("data-notice", item.notice);
      node.setAttribute("data-rev", item.rev);
    } else {
      node.removeAttribute("data-notice");
    }
  }

  function seen(item) {
    var node;
    if (!item.notice || !window.linliLive) { return; }
    node = document.createElement("span");
    label(node, item);
    window.linliLive.prove(node, "seen");
  }

  /* Green or 1: received. Yellow or 2, blue or 3: nobody can type here, so the TV says whom to call. */
  function answerOf(key) {
    if (key === KEYS.GREEN || key === KEYS.GREEN_OLD || key === 49) { return "got"; }
    if (key === KEYS.YELLOW || key === KEYS.YELLOW_OLD || key === 50) { return "question"; }
    return isBlue(key) || key === 51 ? "help" : "";
  }

  function isBlue(key) { return key === KEYS.BLUE || key === KEYS.BLUE_OLD; }

  /* A box that is a home's own asks for whoever bound it; from any other nobody could be called back. */
  function ask(kind, item) {
    send(location.pathname + "/n/" + encodeURIComponent(item.notice) + "/" + kind, function (fine) {
      said(item, stage.getAttribute(fine ? "data-asked" : "data-unsent"));
    });
  }

  function answer(kind, item) {
    seen(item);
    if (kind !== "got" && bound() === "1") { ask(kind, item); return; }
    if (kind !== "got") { said(item, word(kind, item.phone || stage.getAttribute("data-nophone"))); return; }
    if (answers[item.notice + "/" + item.rev] === stage.getAttribute("data-got")) { return; }
    send(location.pathname + "/n/" + encodeURIComponent(item.notice) + "/received", function (fine) {
      said(item, stage.getAttribute(fine ? "data-got" : "data-unsent"));
    });
  }

  function said(item, words) {
    answers[item.notice + "/" + item.rev] = words;
    draw();
    drawAlarm();
  }

  function send(address, done) {
    var asked = new XMLHttpRequest();
    var meta = document.querySelector("meta[name=linli-csrf]");
    asked.open("POST", address, true);
    asked.timeout = 8000;
    asked.setRequestHeader("X-CSRF", meta ? meta.getAttribute("content") : "");
    asked.onload = function () { done(asked.status >= 200 && asked.status < 300); };
    asked.onerror = asked.ontimeout = function () { done(false); };
    asked.send(null);
  }

  /* Below an open notice: what was answered, or the keys that answer. */
  function writeAnswer(id, item) {
    write(id, item.notice ? answers[item.notice + "/" + item.rev] || stage.getAttribute("data-answer") : "");
  }

  function tiles() { return document.querySelectorAll(".tile"); }

  /* The first page: hero left (place 0), tiles right (1..6). */
  function drawHome() {
    var first = items(1);
    var hero = first.length ? first[flip % first.length] : null;
    write("hero-kind", tiles().length ? tiles()[0].querySelector(".tile-name").textContent : "");
    write("hero-title", hero ? hero.title : stage.getAttribute("data-empty"));
    write("hero-body", hero ? hero.body || hero.meta : "");
    byId("hero-more").className = hero ? "" : "away";
    /* Whole lines only, above the one that says how to read on. */
    byId("hero-body").style.maxHeight = Math.max(1, Math.floor((430 - byId("hero-body").offsetTop) / 40)) * 40 + "px";
    label(byId("hero"), top() ? null : hero);
    mark(byId("hero"), !top() && focus === 0);
    each(tiles(), function (tile, index) {
      var count = items(index + 1).length;
      tile.querySelector(".tile-count").textContent = count ? word("count", count) : "";
      mark(tile, !top() && focus === index + 1);
    });
  }

  function top() { return stack.length ? stack[stack.length - 1] : null; }

  function draw() {
    var view = top();
    var kind = view ? view.kind : "";
    drawHome();
    show(byId("foot-choose"), kind !== "text");
    show(byId("foot-open"), kind !== "text");
    show(byId("foot-turn"), false);
    /* Digits and the blue key answer an open notice. */
    each(document.querySelectorAll("#foot-digits, #foot-home"), function (node) { show(node, kind !== "text" || !view.item.notice); });
    show(byId("hero"), !view);
    show(byId("tiles"), !view);
    show(byId("list"), kind === "list");
    show(byId("text"), kind === "text");
    if (kind === "list") { drawList(view); }
    if (kind === "text") { drawText(view); }
  }

  function drawList(view) {
    var all = items(view.tile);
    var rows = byId("rows");
    var start;
    view.at = Math.max(0, Math.min(view.at, all.length - 1));
    start = Math.floor(view.at / ROWS) * ROWS;
    write("list-title", view.tile === "home" ? stage.getAttribute("data-home") : tiles()[view.tile - 1].querySelector(".tile-name").textContent);
    while (rows.firstChild) { rows.removeChild(rows.firstChild); }
    each(all.slice(start, start + ROWS), function (item, index) {
      var row = document.createElement("li");
      var title = document.createElement("b");
      var meta = document.createElement("span");
      row.className = "line" + (start + index === view.at ? " on" : "");
      title.textContent = item.title;
      meta.textContent = item.meta;
      label(row, item);
      row.appendChild(title);
      row.appendChild(meta);
      rows.appendChild(row);
    });
    if (!all.length) {
      var empty = document.createElement("li");
      empty.className = "line";
      empty.textContent = stage.getAttribute("data-empty");
      rows.appendChild(empty);
    }
    write("list-page", all.length > ROWS ? word("page", start / ROWS + 1, Math.ceil(all.length / ROWS)) : "");
  }

  /* A long title is smaller; one that still loses its end begins the text. */
  function writeText(name, title, body) {
    var node = byId(name + "-title");
    write(name + "-title", title);
    node.className = "";
    if (overflows(node)) { node.className = "long"; }
    write(name + "-body", overflows(node) ? title + "\n" + body : body);
  }

  /* Ink stands out of tight lines; a lost line is 25 px. */
  function overflows(node) { return node.scrollHeight > node.clientHeight + 12; }

  function drawText(view) {
    var meta = view.item.meta;
    var body = view.item.body || view.item.title;
    write("text-meta", body.split("\n")[0] === meta ? "" : meta);
    writeText("text", view.item.title, body);
    writeAnswer("text-answer", view.item);
    label(byId("text"), view.item);
    drawCode(view.item);
    view.page = turn("text", view.page);
  }

  /* The way to the whole text on a phone, as on the poster; asked for once, when a notice is opened. */
  function drawCode(item) {
    var code = byId("text-code");
    /* A binding code holds five minutes: a new one every four. */
    var wanted = item.code ? item.code + "?" + Math.floor(new Date().getTime() / 240000) : item.notice && "/n/" + encodeURIComponent(item.notice) + "/qr.png";
    if (wanted && code.getAttribute("data-of") !== wanted) { code.src = wanted; }
    code.setAttribute("data-of", wanted);
    /* Old engines see a changed class of the parent only. */
    byId("text").className = byId("text").className.replace(/ ?\bcoded\b/g, "") + (item.code ? " coded" : "");
    show(code, wanted);
  }

  /* Shows one page of a text; a page is a whole number of lines, so no line is cut in half. */
  function turn(name, page) {
    var height = byId(name + "-window").clientHeight || 1;
    var body = byId(name + "-body");
    var pages;
    body.className = "big";
    if (body.scrollHeight > height) { body.className = ""; }
    pages = Math.max(1, Math.ceil(body.scrollHeight / height));
    page = Math.max(0, Math.min(page, pages - 1));
    body.style.top = -page * height + "px";
    write(name + "-page", pages > 1 ? word("page", page + 1, pages) : "");
    lastPage[name] = page === pages - 1;
    show(byId(name === "text" ? "foot-turn" : "alarm-turn"), pages > 1);
    return page;
  }

  function open(tile) {
    if (tile === "home" ? !items(tile).length : tile < 1 || tile > tiles().length) { return; }
    stack.push({ kind: "list", tile: tile, at: 0 });
    draw();
  }

  function openItem(item) {
    stack.push({ kind: "text", item: item, page: 0 });
    seen(item);
    if (item.open) { send(item.open, function () { return; }); }
    draw();
  }

  function leave() {
    var portal = /[?&]back=([^&]*)/.exec(location.search);
    var address = portal ? decodeURIComponent(portal[1]) : "";
    if (/^https?:\/\//.test(address)) { location.href = address; }
  }

  function back() {
    if (stack.length) { stack.pop(); draw(); } else { leave(); }
  }

  function onHome(key) {
    var first;
    if (key === KEYS.DOWN) { focus = Math.min(focus + 1, tiles().length); }
    if (key === KEYS.UP) { focus = Math.max(focus - 1, focus ? 1 : 0); }
    if (key === KEYS.LEFT) { focus = 0; }
    if (key === KEYS.RIGHT && focus === 0) { focus = 1; }
    if (key === KEYS.OK) {
      first = items(1);
      if (focus === 0 && first.length) { openItem(first[flip % first.length]); return; }
      open(focus || 1);
      return;
    }
    draw();
  }

  function onList(view, key) {
    var all = items(view.tile);
    if (key === KEYS.DOWN) { view.at += 1; }
    if (key === KEYS.UP) { view.at -= 1; }
    if (key === KEYS.RIGHT || key === KEYS.PAGE_DOWN) { view.at += ROWS; }
    if (key === KEYS.LEFT || key === KEYS.PAGE_UP) { view.at -= ROWS; }
    if (key === KEYS.OK && all[view.at]) { openItem(all[view.at]); return; }
    draw();
  }

  /* OK turns the page, and on the last one says that it was read: a remote may have no more keys than six. */
  function onText(view, key) {
    if (key === KEYS.OK && lastPage.text && view.item.notice) { answer("got", view.item); return; }
    view.page += key === KEYS.OK ? 1 : step(key);
    draw();
  }

  function step(key) {
    if (key === KEYS.RIGHT || key === KEYS.DOWN || key === KEYS.PAGE_DOWN) { return 1; }
    return key === KEYS.LEFT || key === KEYS.UP || key === KEYS.PAGE_UP ? -1 : 0;
  }

  /* The emergency sheet covers everything, once a revision; closed, a strip stays until it is withdrawn. */
  function findAlarm() {
    var node = document.querySelector("[data-for=alarm] .tv-emergency, [data-for=alarm].tv-emergency");
    var item = node ? read(node) : null;
    var key = item ? item.notice + "/" + item.rev + "/" + item.title : "";
    if (key !== alarm.key) {
      alarm.key = key;
      alarm.item = item;
      alarm.page = 0;
      alarm.open = Boolean(item) && !alarm.closed[key];
      if (alarm.open && item.form === "emergency") { chime(); }
    }
    drawAlarm();
  }

  /* Some boxes know no sound and some want a key pressed first: the sheet is there without it. */
  function chime() {
    var sound = byId("chime");
    var begun;
    try {
      sound.currentTime = 0;
      begun = sound.play();
    } catch (error) { return; }
    if (begun && begun["catch"]) { begun["catch"](function () { return; }); }
  }

  function drawAlarm() {
    var item = alarm.item;
    document.body.className = document.body.className.replace(/ ?\b(drill|clear|emergency)\b/g, "") + (item ? " " + item.form : "");
    show(byId("alarm"), item && alarm.open);
    show(byId("strip"), item && !alarm.open);
    label(byId("alarm"), alarm.open ? item : null);
    if (!item) { return; }
    write("alarm-word", stage.getAttribute("data-" + item.form));
    write("strip-word", stage.getAttribute("data-" + item.form));
    write("strip-title", item.title);
    writeText("alarm", item.title, item.body);
    writeAnswer("alarm-answer", item);
    if (alarm.open) { alarm.page = turn("alarm", alarm.page); }
  }

  function onAlarm(key) {
    if (key === KEYS.BACK || key === KEYS.ESCAPE) {
      alarm.open = false;
      alarm.closed[alarm.key] = true;
      seen(alarm.item);
    } else if (answerOf(key)) {
      answer(answerOf(key), alarm.item);
    } else if (key === KEYS.OK && lastPage.alarm) {
      answer("got", alarm.item);
    } else if (key === KEYS.OK) {
      seen(alarm.item);
      alarm.page += 1;
    } else {
      alarm.page += step(key);
    }
    drawAlarm();
  }

  function press(key) {
    var view = top();
    if (alarm.open) { onAlarm(key); return true; }
    if ((key === KEYS.RED || key === KEYS.RED_OLD) && alarm.item) { alarm.open = true; drawAlarm(); return true; }
    if (key === KEYS.BACK || key === KEYS.ESCAPE) { back(); return true; }
    if (view && view.kind === "text" && view.item.notice && answerOf(key)) { answer(answerOf(key), view.item); return true; }
    if (isBlue(key)) { stack = []; draw(); open("home"); return true; }
    if (key >= 49 && key <= 54) { stack = []; open(key - 48); return true; }
    if (key !== KEYS.OK && !step(key)) { return false; }
    if (!view) { onHome(key); }
    if (view && view.kind === "list") { onList(view, key); }
    if (view && view.kind === "text") { onText(view, key); }
    return true;
  }

  /* 768 says only that the box has an event of its own (a channel key, the end of a film); which one it tells when
     asked. The event must be taken all the same, or the box stops sending any. */
  function virtual() {
    var told;
    try { told = JSON.parse(window.Utility.getEvent()); } catch (error) { return; }
    if (told && /^EVENT_(GO_CHANNEL|TVMS|REMINDER)$/.test(told.type)) { stack = []; draw(); }
  }

  function take(event) {
    var key = event.keyCode || event.which;
    if (key === KEYS.VIRTUAL) { virtual(); event.preventDefault(); return; }
    if (press(key)) { event.preventDefault(); }
  }

  /* Old boxes fire only keypress; on the others its codes mean letters, so the first keydown silences it. */
  var down = false;
  document.addEventListener("keydown", function (event) {
    down = true;
    take(event);
  });
  document.addEventListener("keypress", function (event) {
    if (!down) { take(event); }
  });

  function scale() {
    var width = window.innerWidth || 1280;
    var height = window.innerHeight || 720;
    var sd = width <= 720 && width / height < 1.4;
    var share = Math.min(width / (sd ? 640 : 1280), height / (sd ? 530 : 720));
    root().className = sd ? "sd" : "";
    ROWS = sd ? 4 : 5;
    stage.style.webkitTransform = stage.style.transform = share === 1 ? "none" : "scale(" + share + ")";
    stage.style.left = Math.max(0, Math.round((width - (sd ? 640 : 1280) * share) / 2)) + "px";
    stage.style.top = Math.max(0, Math.round((height - (sd ? 530 : 720) * share) / 2)) + "px";
  }

  /* Without a line the last content stays, and says how old it is; a moment without one is nobody's concern. */
  function age() {
    var now = new Date().getTime();
    var minutes = Math.floor((now - heard) / 60000);
    if (!window.linliLive || window.linliLive.connected) { heard = now; minutes = 0; }
    write("day", now - heard < CUT_MS ? day : minutes ? word("cut", minutes) : stage.getAttribute("data-just"));
    byId("day").className = now - heard < CUT_MS ? "" : "cut";
  }

  /* The box's own clock may be wrong by years, and be set while we look: then the hub is asked for the time anew. */
  function watchClock() {
    var now = new Date().getTime();
    var back = now - ticked < 0 ? now - ticked - TICK_MS : 0;
    loaded += back;
    heard += back;
    if (back || now - ticked > JUMP_MS || now - loaded > 6 * 3600 * 1000) { stale = true; }
    ticked = now;
  }

  /* The hub's time at loading, and how long ago that was. */
  function tick() {
    var parts = stage.getAttribute("data-now").split(":");
    var minutes;
    var hour;
    var minute;
    watchClock();
    minutes = parseInt(parts[0], 10) * 60 + parseInt(parts[1], 10) + Math.floor((new Date().getTime() - loaded) / 60000);
    hour = Math.floor(minutes / 60) % 24;
    minute = minutes % 60;
    age();
    if (top() && top().kind === "text") { drawCode(top().item); }
    write("clock", (hour < 10 ? "0" : "") + hour + ":" + (minute < 10 ? "0" : "") + minute);
    if (stale && !stack.length && heard > new Date().getTime() - CUT_MS) {
      location.reload();
    }
  }

  /* Bound or let go of by a phone: the page is asked for anew, once the hub has noticed who the box is now. */
  var wasBound = bound();
  document.addEventListener("linli:fresh", function () {
    draw();
    findAlarm();
    if (bound() !== wasBound) { wasBound = bound(); window.setTimeout(function () { location.reload(); }, 2500); }
  });
  window.addEventListener("resize", function () { scale(); draw(); });
  window.setInterval(tick, TICK_MS);
  /* The next one, when slow readers have read this. */
  function turnHero() {
    if (!top() && !alarm.open) { flip += 1; drawHome(); }
    window.setTimeout(turnHero, Math.max(FLIP_MS, byId("hero-body").textContent.length * READ_MS));
  }

  focus = tiles().length ? 1 : 0;
  scale();
  draw();
  findAlarm();
  window.setTimeout(turnHero, FLIP_MS);
}());
