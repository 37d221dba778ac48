// The compare page: choosing another reference shows it at once; without scripts a button does.
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-without-script]").forEach((button) => { button.hidden = true; });
  });
  document.addEventListener("change", (event) => {
    if ("submit" in event.target.dataset) event.target.form.requestSubmit();
  });
})();
