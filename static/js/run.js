// The run page: the log stays at its end while it grows, unless the reader has scrolled up.
(() => {
  const NEAR = 24; // pixels from the end that still count as the end
  const log = () => document.querySelector(".log");
  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  const toEnd = (box) => { box.scrollTop = box.scrollHeight; };
  let follow = true;

  document.addEventListener("DOMContentLoaded", () => { if (log()) toEnd(log()); });
  document.addEventListener("htmx:before:swap", () => { follow = !log() || atEnd(log()); });
  document.addEventListener("htmx:after:swap", () => { if (follow && log()) toEnd(log()); });
})();
