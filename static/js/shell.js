// Small things every page has: focus on a form's error summary, the phone menu, sliders bound to their number, copy buttons, local times.
(() => {
  const localTimes = (root) => root.querySelectorAll("time[datetime]").forEach((time) => {
    const at = new Date(time.dateTime);
    const today = new Date().toDateString() === at.toDateString();
    const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    time.textContent = today ? `today ${clock}` : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock}`;
  });
  const settle = (root) => {
    localTimes(root);
    root.querySelector("[data-focus]")?.focus();
  };
  document.addEventListener("DOMContentLoaded", () => settle(document));
  document.addEventListener("htmx:after:swap", () => settle(document.querySelector("main")));

  document.addEventListener("click", (event) => {
    const menu = document.querySelector(".wb-menu[open]");
    if (menu && !menu.contains(event.target)) menu.open = false;
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.querySelector("span").textContent = "Copied"; });
    if (event.target.closest("[data-reload]")) location.reload();
    if (event.target.closest("[data-back]")) history.back();
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector(".wb-menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // A form whose answer takes some seconds says so and cannot be sent twice.
  document.addEventListener("submit", (event) => {
    const { busy } = event.target.dataset;
    if (!busy) return;
    const button = event.target.querySelector("button[type=submit]");
    button.disabled = true;
    (button.querySelector("span") ?? button).textContent = `${busy} …`;
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); }); // back from elsewhere: not a page with a spent button

  // A slider and its number: whichever moves, the other follows. Only the number is sent.
  document.addEventListener("input", (event) => {
    const { bound } = event.target.dataset;
    if (bound) {
      const number = document.getElementById(bound);
      number.value = Number(event.target.value).toFixed(1);
      number.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (event.target.id) {
      const range = document.querySelector(`[data-bound="${CSS.escape(event.target.id)}"]`);
      if (range) range.value = event.target.value;
    }
  });
})();
