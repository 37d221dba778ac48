// New project: a named value range fills "mean" and "divide by"; a change of the colour order keeps the named range.
(() => {
  const at = (id) => document.getElementById(id);
  const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean).map(Number).join();

  function ranges() {
    const data = at("ranges");
    return data ? JSON.parse(data.textContent)[at("colour").value] ?? [] : [];
  }

  function show() { // the select names the range that the numbers are
    const select = at("range");
    if (!select || !at("ranges")) return;
    const known = ranges();
    const now = known.findIndex(([, mean, divide]) => numbers(mean) === numbers(at("mean").value) && numbers(divide) === numbers(at("divide_by").value));
    select.replaceChildren(new Option("own numbers", ""), ...known.map(([name], index) => new Option(name, index)));
    select.value = now < 0 ? "" : now;
    select.closest("[data-with-script]").hidden = false;
  }

  function fill(name) {
    const range = ranges().find(([known]) => known === name);
    if (range) [, at("mean").value, at("divide_by").value] = range;
    show();
  }

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:after:swap", show);
  document.addEventListener("change", ({ target }) => {
    if (target.id === "range" && target.value) fill(target.selectedOptions[0].text);
    else if (target.id === "colour") fill(at("range").selectedOptions[0]?.text);
    else if (target.id === "mean" || target.id === "divide_by") show();
  });
})();
