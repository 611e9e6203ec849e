/* Presses a button of the stage without leaving the page, so that all screens stay as they are. ES5. */
(function () {
  "use strict";
  var said = document.getElementById("said");

  function play(event) {
    var form = event.target, request;
    if (!form.hasAttribute || !form.hasAttribute("data-act")) { return; }
    event.preventDefault();
    request = new XMLHttpRequest();
    request.open("POST", form.getAttribute("action"));
    request.setRequestHeader("X-CSRF", document.querySelector("meta[name=linli-csrf]").getAttribute("content"));
    request.setRequestHeader("Accept", "application/json");
    request.onload = function () {
      var answer = {};
      form.removeAttribute("data-sent");
      if (request.status >= 400) {
        try { answer = JSON.parse(request.responseText); } catch (error) { answer = { detail: String(request.status) }; }
      }
      said.textContent = answer.detail || "";
    };
    request.send();
  }

  document.addEventListener("submit", play);
}());
