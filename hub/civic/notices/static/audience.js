/* Counts the audience anew at each tick; without it the box's own button does the same. ES5. */
(function () {
  "use strict";
  var form = document.getElementById("composer"), asked = 0, waiting = null, PAUSE_MS = 200;
  if (!form || !window.XMLHttpRequest) { return; }

  function box() { return document.getElementById("audience"); }

  function written() {
    var parts = [], i, field;
    for (i = 0; i < form.elements.length; i += 1) {
      field = form.elements[i];
      if (/^(areas|to_|csrf)/.test(field.name) && (!/^(radio|checkbox)$/.test(field.type) || field.checked)) {
        parts.push(encodeURIComponent(field.name) + "=" + encodeURIComponent(field.value));
      }
    }
    return parts.join("&");
  }

  /* The lists are drawn anew only where another place was chosen: a list that jumps under the finger loses the tick. */
  function put(made, lists) {
    var old = box(), names = lists ? ["[data-audience-pick]", "[data-audience-count]"] : ["[data-audience-count]"], i, part, place;
    for (i = 0; i < names.length; i += 1) {
      part = made.querySelector(names[i]);
      place = old.querySelector(names[i]);
      if (part && place) {
        part = document.importNode(part, true);
        if (place.open) { part.open = true; }
        place.parentNode.replaceChild(part, place);
      }
    }
  }

  function draw(lists) {
    var request = new XMLHttpRequest(), mine = ++asked;
    request.open("POST", box().getAttribute("data-audience"));
    request.responseType = "document"; // parsed by the browser, so that no text is ever put into the page as HTML
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.onload = function () {
      var made = request.response && request.response.getElementById("audience"), at = document.activeElement;
      var focused = at ? at.id : "";
      if (mine !== asked || request.status !== 200 || !made) { return; }
      put(made, lists);
      if (focused && document.getElementById(focused)) { document.getElementById(focused).focus(); }
    };
    request.send(written());
  }

  form.addEventListener("change", function (event) {
    var name = event.target.name || "";
    if (!/^(areas$|to_)/.test(name)) { return; }
    clearTimeout(waiting);
    waiting = setTimeout(function () { draw(/^(areas|to_open)$/.test(name)); }, PAUSE_MS);
  });
  form.addEventListener("click", function (event) {
    if (event.target.hasAttribute && event.target.hasAttribute("data-audience-draw")) {
      event.preventDefault();
      draw(true);
    }
  });
}());
