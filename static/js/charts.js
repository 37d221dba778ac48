// Draws every [data-figure] from the JSON block with that id: on load, on a theme switch, and in what htmx swaps in.
// "$name" in the JSON is replaced by the CSS token --wb-name, so one figure serves light and dark.
(() => {
  const NARROW = 520; // below this width a figure's `narrow` overrides apply: shorter labels, fewer ticks
  const drawn = new Set();

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--wb-" + name).trim();
  const resolve = (value) =>
    typeof value === "string" ? value.replace(/\$([a-z0-9-]+)/g, (_, name) => token(name))
    : Array.isArray(value) ? value.map(resolve)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]))
    : value;

  function draw(box) {
    const figure = JSON.parse(document.getElementById(box.dataset.figure).textContent);
    const narrow = box.clientWidth < NARROW && figure.narrow;
    const { data, layout } = resolve(narrow ? { data: figure.data, layout: { ...figure.layout, ...figure.narrow } } : figure);
    Plotly.react(box, data, layout, { displayModeBar: false, responsive: true });
    drawn.add(box);
  }

  function drawAll() {
    for (const box of drawn) {
      if (!box.isConnected) { Plotly.purge(box); drawn.delete(box); }
    }
    document.querySelectorAll("[data-figure]").forEach(draw);
  }

  document.fonts.ready.then(drawAll); // labels are measured with the real font
  document.addEventListener("theme", drawAll);
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target.id !== "queue") drawAll();
  });
})();
