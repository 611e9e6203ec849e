/* Counts down to the next step of a notice's follow-up, by the server's clock. ES5; without it the time stands there. */
(function () {
  "use strict";
  var drawn = document.querySelector("[data-ladder-clock]");
  var ahead = drawn ? new Date(drawn.getAttribute("data-ladder-clock")).getTime() - new Date().getTime() : 0;

  function two(number) { return (number < 10 ? "0" : "") + number; }

  function left(seconds) {
    var minutes = Math.floor(seconds / 60);
    if (minutes < 60) { return minutes + ":" + two(seconds % 60); }
    return Math.floor(minutes / 60) + ":" + two(minutes % 60) + ":" + two(seconds % 60);
  }

  function count() {
    var due = document.querySelectorAll("[data-due]");
    var now = new Date().getTime() + ahead;
    var i, seconds;
    for (i = 0; i < due.length; i += 1) {
      seconds = Math.ceil((new Date(due[i].getAttribute("data-due")).getTime() - now) / 1000);
      due[i].textContent = seconds > 0
        ? due[i].getAttribute("data-in").replace("{time}", left(seconds))
        : due[i].getAttribute("data-now");
    }
  }

  count();
  window.setInterval(count, 1000);
  document.addEventListener("linli:fresh", count);
}());
