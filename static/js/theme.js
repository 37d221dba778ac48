// Runs before the first paint, so that a dark page never flashes white. The choice is kept in this browser; without one, the system decides.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = (theme) => {
    if (root.dataset.bsTheme === theme) return;
    root.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("theme"));
  };
  const follow = () => apply(chosen() ?? (system.matches ? "dark" : "light"));
  follow();
  system.addEventListener("change", follow);
  addEventListener("storage", follow); // another tab switched
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", theme); } catch { /* a private window: the choice lasts until the next page */ }
    apply(theme);
  });
})();
