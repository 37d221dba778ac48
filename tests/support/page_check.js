// What mock/GUIDE.md §6 asks of a page, measured in the browser: contrast of all text, labels, names, ids, target sizes, one h1, no sideways
// scrolling. Returns findings as text.
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = ([r, g, b]) => {
    const linear = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3]) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const found = new Set();
  const hidden = "script, template, noscript, .visually-hidden, .visually-hidden-focusable, [hidden]";
  for (const element of document.querySelectorAll("body *")) {
    const isSvg = element.namespaceURI.includes("svg");
    if ((isSvg && element.tagName !== "text") || element.closest(hidden) || element.closest(".js-plotly-plot")) continue;
    const ownText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!ownText || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    if (style.visibility === "hidden" || (element.disabled ?? false)) continue;
    let back = ground(element);
    if (isSvg && element.closest(".flow")) back = rgba(getComputedStyle(element.parentElement.querySelector("rect") ?? element).fill);
    const text = over(rgba(isSvg ? style.fill : style.color), back);
    const [high, low] = [luminance(text), luminance(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const sample = `${element.tagName}.${element.className.baseVal ?? element.className} "${element.textContent.trim().slice(0, 30)}"`;
    if (ratio < (size >= 24 ? 3 : 4.5)) found.add(`contrast ${ratio.toFixed(2)} ${sample}`);
    if (size < 11) found.add(`small ${size} ${sample}`);
  }
  for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!control.labels?.length && !control.getAttribute("aria-label")) found.add("no label " + control.outerHTML.slice(0, 90));
  }
  for (const control of document.querySelectorAll("a[href], button, summary")) {
    const name = control.textContent.trim() || control.getAttribute("aria-label") || control.querySelector("img[alt]");
    if (!name) found.add("no name " + control.outerHTML.slice(0, 90));
  }
  for (const picture of document.querySelectorAll("img:not([alt])")) found.add("no alt " + picture.outerHTML.slice(0, 90));
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) found.add("id twice " + id);
  const sideways = document.documentElement.scrollWidth - innerWidth;
  if (sideways > 0) found.add("scrolls sideways by " + sideways);
  const headings = document.querySelectorAll("h1").length;
  if (headings !== 1) found.add("h1 count " + headings);
  for (const target of document.querySelectorAll("a.btn, button")) {
    const { height, width } = target.getBoundingClientRect();
    if (height && (height < 24 || width < 24)) found.add(`target ${Math.round(width)}x${Math.round(height)} ` + target.outerHTML.slice(0, 70));
  }
  return [...found];
}
