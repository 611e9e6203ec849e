/* The pad rings once for each new call: a short tone after a tap on the bell (browsers ask for one), a shake, and the
   window's name. No value passes here. ES5. */
(function () {
  "use strict";
  var bell = document.querySelector("[data-ring]");
  var Sound = window.AudioContext || window.webkitAudioContext;
  var name = document.title;
  var known = {};
  var sound = null;

  function tone() {
    var voice;
    if (!sound) { return; }
    voice = sound.createOscillator();
    voice.frequency.value = 880;
    voice.connect(sound.destination);
    voice.start();
    voice.stop(sound.currentTime + 0.5);
  }

  function look() {
    var calls = document.querySelectorAll("[data-call]");
    var open = 0;
    var fresh = false;
    var i;
    for (i = 0; i < calls.length; i += 1) {
      if (!calls[i].hasAttribute("data-taken")) { open += 1; }
      if (!known[calls[i].getAttribute("data-call")]) {
        known[calls[i].getAttribute("data-call")] = true;
        fresh = true;
      }
    }
    document.title = (open ? "(" + open + ") " : "") + name;
    if (fresh) {
      tone();
      if (navigator.vibrate) { navigator.vibrate([300, 100, 300]); }
    }
  }

  if (bell && Sound) {
    bell.hidden = false;
    bell.addEventListener("click", function () {
      sound = sound || new Sound();
      bell.setAttribute("data-ring", "on");
      bell.setAttribute("aria-pressed", "true");
      tone();
    });
  }
  look();
  document.addEventListener("linli:fresh", look);
}());
