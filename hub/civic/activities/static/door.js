/* The organiser's screen: when its code has run out it shows the next. Nothing on the page is typed into. */
(function () {
  "use strict";
  var screen = document.querySelector("[data-left]");
  if (!screen) { return; }
  window.setTimeout(function () { window.location.replace(window.location.pathname); }, 1000 * (1 + Number(screen.getAttribute("data-left"))));
}());
