/* Photos are made smaller before they are sent: 1280 px tell what was swept, and a telephone's line is short. */
(function () {
  "use strict";
  var SIDE_MAX = 1280, BYTES_FINE = 400000;
  var input = document.querySelector("[data-photo]");
  if (!input || !window.FileReader || !window.DataTransfer || !document.createElement("canvas").toBlob) { return; }
  function smaller(file, then) {
    var url = URL.createObjectURL(file), image = new Image();
    image.onerror = function () { URL.revokeObjectURL(url); then(file); };
    image.onload = function () {
      var scale = Math.min(1, SIDE_MAX / Math.max(image.width, image.height));
      var canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(image.width * scale));
      canvas.height = Math.max(1, Math.round(image.height * scale));
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(url);
      canvas.toBlob(function (blob) { then(blob ? new File([blob], "photo.jpg", { type: "image/jpeg" }) : file); }, "image/jpeg", 0.85);
    };
    image.src = url;
  }
  input.addEventListener("change", function () {
    var files = Array.prototype.slice.call(input.files), made = new DataTransfer(), left = files.length;
    function kept(file) {
      made.items.add(file);
      left -= 1;
      if (!left) { input.files = made.files; }
    }
    if (!files.some(function (file) { return file.size > BYTES_FINE; })) { return; }
    files.forEach(function (file) { if (file.size > BYTES_FINE) { smaller(file, kept); } else { kept(file); } });
  });
}());
