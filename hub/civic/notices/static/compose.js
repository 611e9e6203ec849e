/* Draws the previews anew while one types; without it the Preview button does the same. ES5. */
(function () {
  "use strict";
  var form = document.getElementById("composer"), place = document.getElementById("previews");
  var waiting = null, asked = 0, PAUSE_MS = 400; // a pause in typing, not every key
  if (!form || !place || !window.XMLHttpRequest) { return; }

  function draw() {
    var request = new XMLHttpRequest(), mine = ++asked;
    request.open("POST", form.getAttribute("data-preview"));
    request.responseType = "document"; // parsed by the browser, so that no text is ever put into the page as HTML
    request.setRequestHeader("X-Fragment", "1");
    request.onload = function () {
      var made = request.response && request.response.querySelector("section"), old = place.querySelector("section");
      if (mine === asked && request.status === 200 && made && old) {
        place.replaceChild(document.importNode(made, true), old);
      }
    };
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.send(written());
  }

  /* What the form would send itself. */
  function written() {
    var parts = [], i, field;
    for (i = 0; i < form.elements.length; i += 1) {
      field = form.elements[i];
      if (field.name && field.type !== "submit" && (!/^(radio|checkbox)$/.test(field.type) || field.checked)) {
        parts.push(encodeURIComponent(field.name) + "=" + encodeURIComponent(field.value));
      }
    }
    return parts.join("&");
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(draw, PAUSE_MS);
  }

  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  place.addEventListener("change", soon); // the switches above the previews belong to the form, but stand outside
}());
