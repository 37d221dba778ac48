// Resumable uploads (tus). A drop zone [data-upload=kind], its rows in #uploads (pattern: #upload-row), and the event "uploaded" on the
// body when the server has turned a file into a model or dataset: the list below follows it from there.
(() => {
  const CHUNK_BYTES = 8 * 2 ** 20; // acknowledged after each: what a crash costs at most
  const RETRY_MS = [0, 500, 1000, 2000, 3000, 5000, 5000, 10000, 10000, 20000, 30000, 30000, 60000]; // a restart of the server takes seconds
  const RATE_WINDOW_MS = 5000;

  const zone = document.querySelector("[data-upload]");
  if (!zone || !tus.isSupported) return;
  const kind = zone.dataset.upload;
  const input = zone.querySelector("input[type=file]");
  const section = document.getElementById("uploads");
  const list = section.querySelector("[data-uploads]");
  const says = section.querySelector("[data-upload-says]");

  const size = (bytes) =>
    bytes < 1e3 ? `${bytes} bytes` : bytes < 999500 ? `${Math.round(bytes / 1e3)} kB`
    : bytes < 999.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
  const timeLeft = (seconds) =>
    seconds < 55 ? `about ${Math.max(5, 5 * Math.round(seconds / 5))} s left`
    : seconds < 5700 ? `about ${Math.round(seconds / 60)} min left` : `about ${(seconds / 3600).toFixed(1)} h left`;

  // ---- one row -------------------------------------------------------------------------------------------------------------------

  class Row {
    constructor(name, total) {
      this.element = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
      this.name = name;
      this.part("[data-name]").textContent = name;
      this.bar = this.part("progress");
      this.bar.setAttribute("aria-label", `Upload of ${name}`);
      this.part("[data-act=forget]").setAttribute("aria-label", `Forget the upload of ${name}`);
      this.total = total;
      this.samples = [];
    }

    part(selector) { return this.element.querySelector(selector); }
    says(text) { this.part("[data-status]").textContent = text; }
    show(...acts) {
      for (const button of this.element.querySelectorAll("[data-act]")) button.hidden = !acts.includes(button.dataset.act);
    }

    grey(stopped) {
      this.bar.classList.toggle("m-grey", stopped);
      this.bar.classList.toggle("m-ink", !stopped);
    }

    running() {
      this.samples = [];
      this.part("[data-error]").hidden = true;
      this.grey(false);
      this.show("pause", "forget");
    }

    progress(done) {
      const now = performance.now();
      this.samples.push([now, done]);
      while (this.samples.length > 2 && now - this.samples[0][0] > RATE_WINDOW_MS) this.samples.shift();
      const [since, from] = this.samples[0];
      const rate = now > since + 300 ? (done - from) / ((now - since) / 1000) : 0;
      this.done = done;
      this.bar.value = (100 * done) / this.total;
      const parts = [`${size(done)} of ${size(this.total)}`, `${Math.floor((100 * done) / this.total)} %`];
      if (rate > 0 && done < this.total) parts.push(`${size(rate)}/s`, timeLeft((this.total - done) / rate));
      this.says(parts.join(", "));
    }

    paused() {
      this.grey(true);
      this.show("resume", "forget");
      this.says(`Paused at ${size(this.done ?? 0)} of ${size(this.total)}.`);
    }

    failed(text, canGoOn) {
      this.grey(true);
      this.show(...(canGoOn ? ["resume", "forget"] : ["forget"]));
      this.says(canGoOn ? `Stopped at ${size(this.done ?? 0)} of ${size(this.total)}.` : "Not uploaded.");
      const error = this.part("[data-error]");
      error.hidden = false;
      error.querySelector("span").textContent = text;
      says.textContent = `${this.name}: ${text}`;
    }

    complete() {
      this.bar.removeAttribute("value");
      this.show();
      this.says("All there. Being stored …");
    }

    remove() {
      this.element.remove();
      section.hidden = !list.children.length;
    }
  }

  // ---- one upload ----------------------------------------------------------------------------------------------------------------

  function refusal(file) {
    const limit = Number(zone.dataset.maxBytes);
    if (file.size > limit) return `${file.name} has ${size(file.size)}; a ${kind} may have at most ${size(limit)} here.`;
    if (file.size === 0) return `${file.name} is empty.`;
    const endings = input.accept.split(",");
    if (!endings.some((ending) => file.name.toLowerCase().endsWith(ending))) return `Give one of ${endings.join(", ")}. ${file.name} is none of these.`;
    return "";
  }

  function explain(error) {
    const body = error.originalResponse?.getBody();
    if (!body) return "The server does not answer.";
    try {
      const { message, hint } = JSON.parse(body);
      return [message, hint].filter(Boolean).join(" ");
    } catch {
      return `The server refused it (${error.originalResponse.getStatus()}).`;
    }
  }

  function start(file) {
    const row = new Row(file.name, file.size);
    section.hidden = false;
    list.prepend(row.element);
    const refused = refusal(file);
    if (refused) {
      row.element.addEventListener("click", (event) => { if (event.target.closest("[data-act=forget]")) row.remove(); });
      row.failed(refused, false);
      return;
    }

    const upload = new tus.Upload(file, {
      endpoint: "/uploads",
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      metadata: { filename: file.name, kind },
      removeFingerprintOnSuccess: true,
      // the usual fingerprint (name, type, size, time of change), and the kind: the same archive may be sent as model and dataset
      fingerprint: (chosen) => Promise.resolve(["wb", kind, chosen.name, chosen.size, chosen.lastModified].join("|")),
      onUploadUrlAvailable: () => dropStopped(upload.url, row),
      onProgress: (sent) => (sent < file.size ? row.progress(sent) : row.complete()),
      onError: (error) => row.failed(explain(error), (error.originalResponse?.getStatus() ?? 0) < 400 || error.originalResponse.getStatus() >= 500),
      onSuccess: () => {
        says.textContent = `${file.name} is uploaded.`;
        row.remove();
        document.body.dispatchEvent(new CustomEvent("uploaded", { bubbles: true }));
      },
    });

    const run = () => { row.running(); row.progress(row.done ?? 0); upload.start(); };
    row.element.addEventListener("click", async (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act === "pause") { await upload.abort(); row.paused(); }
      if (act === "resume") run();
      if (act === "forget") { await upload.abort(true).catch(() => {}); row.remove(); }
    });
    upload.findPreviousUploads().then((previous) => {
      if (previous.length) upload.resumeFromPreviousUpload(previous[0]);
      run();
    });
  }

  /** The row that said where this upload had stopped is replaced by the live one. */
  function dropStopped(url, live) {
    const id = new URL(url, location.href).pathname.split("/").pop();
    live.element.dataset.uploadRow = id;
    for (const row of list.querySelectorAll(`[data-upload-row="${CSS.escape(id)}"]`)) if (row !== live.element) row.remove();
  }

  function take(files) { for (const file of files) start(file); }

  // ---- choosing and dropping -----------------------------------------------------------------------------------------------------

  input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault(); // a file dropped beside the zone must not replace the page
      zone.classList.toggle("over", name === "dragover" && zone.contains(event.target));
    });
  }
  zone.addEventListener("drop", (event) => {
    const folders = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
    for (const folder of folders) {
      const row = new Row(folder.name, 1);
      section.hidden = false;
      list.prepend(row.element);
      row.element.addEventListener("click", (click) => { if (click.target.closest("[data-act=forget]")) row.remove(); });
      row.failed("A folder cannot be sent as it is. Pack it as ZIP or TAR first.", false);
    }
    const names = new Set(folders.map((folder) => folder.name));
    take([...event.dataTransfer.files].filter((file) => !names.has(file.name)));
  });

  // ---- what an earlier visit left unfinished -------------------------------------------------------------------------------------

  list.addEventListener("click", async (event) => {
    const row = event.target.closest("[data-upload-row]");
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act === "choose") input.click();
    if (act === "forget" && row.querySelector("[data-act=choose]:not([hidden])")) {
      await fetch(`/uploads/${row.dataset.uploadRow}`, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } });
      row.remove();
      section.hidden = !list.children.length;
    }
  });

  addEventListener("beforeunload", (event) => {
    if (list.querySelector("[data-act=pause]:not([hidden])")) event.preventDefault();
  });
})();
