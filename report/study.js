// Choose families and a level, follow one criterion through all figures and tables, sort tables. The state is in the
// address, so that a view can be sent. Without this script the page is complete.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const state = { off: new Set(), level: "", criterion: "", at: "" };
  const families = [...new Set(all("[data-f]").map((e) => e.dataset.f))];
  const levels = [...new Set(all(".at").map((e) => e.dataset.level))];
  const first = document.querySelector(".at[open]")?.dataset.level || levels[0];

  const bar = document.createElement("div");
  bar.className = "controls";
  for (const family of families) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.dataset.family = family;
    box.addEventListener("change", () => { state.off[box.checked ? "delete" : "add"](family); show(); });
    label.append(box, ` ${names[family] || family}`);
    bar.append(label);
  }
  const choice = document.createElement("select");
  for (const level of levels) choice.add(new Option(`${+(100 * level).toFixed(4)} %`, level));
  choice.addEventListener("change", () => { state.level = choice.value; show(); });
  if (levels.length) {
    const label = document.createElement("label");
    label.append("removed: ", choice);
    bar.append(label);
  }
  const followed = document.createElement("output");
  followed.className = "followed";
  bar.append(followed);
  document.querySelector("nav").after(bar);

  // ---- one view ----
  function show(write = true) {
    for (const element of all("[data-f]")) element.classList.toggle("off", state.off.has(element.dataset.f));
    for (const box of all("[data-family]")) box.checked = !state.off.has(box.dataset.family);
    for (const part of all(".at")) {
      part.open = part.dataset.level === state.level;
      part.classList.toggle("off", !part.open);
    }
    choice.value = state.level;
    for (const element of all("[data-c]")) element.classList.toggle("lit", element.dataset.c === state.criterion);
    followed.textContent = state.criterion ? `followed: ${state.criterion}` : "";
    if (!write) return;
    // Where the page is an item of a report, it has no address of its own.
    try { history.replaceState(null, "", address()); } catch { /* the view is shown all the same */ }
  }

  function address() {
    const parts = new URLSearchParams();
    if (state.off.size) parts.set("off", [...state.off].join(" "));
    if (state.level !== first) parts.set("level", state.level);
    if (state.criterion) parts.set("criterion", state.criterion);
    if (state.at) parts.set("at", state.at);
    const text = parts.toString();
    return text ? `#${text}` : location.pathname + location.search;
  }

  function read() {
    const parts = new URLSearchParams(location.hash.slice(1));
    state.off = new Set((parts.get("off") || "").split(" ").filter((name) => families.includes(name)));
    state.level = levels.includes(parts.get("level")) ? parts.get("level") : first;
    state.criterion = parts.get("criterion") || "";
    state.at = document.getElementById(parts.get("at"))?.id || "";
    show(false);
    document.getElementById(state.at)?.scrollIntoView();
  }

  // A link to a section keeps the view.
  for (const link of all("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.at = link.hash.slice(1);
      show();
      document.getElementById(state.at).scrollIntoView();
    });
  }

  // ---- one criterion ----
  const pick = (name) => { state.criterion = state.criterion === name ? "" : name; show(); };
  for (const element of all("[data-c]")) {
    const name = element.dataset.c;
    element.addEventListener("click", (event) => { if (!event.target.closest("button, a")) pick(name); });
    if (element.tagName !== "TR") {
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = name;
      element.append(title);
      continue;
    }
    element.tabIndex = 0;
    element.addEventListener("keydown", (event) => { if (event.key === "Enter") pick(name); });
  }

  // ---- sorting ----
  for (const table of all("table.sort")) {
    all("th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column]?.innerText.trim() ?? "";
        const compare = (a, b) => {
          const [x, y] = [parseFloat(key(a)), parseFloat(key(b))];
          return isNaN(x) || isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
        };
        const rows = [...table.tBodies[0].rows], filled = rows.filter(key);
        filled.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
        // Cells without a value stand last.
        table.tBodies[0].append(...filled, ...rows.filter((row) => !key(row)));
      });
    });
  }

  // ---- figures to keep ----
  for (const figure of all("figure")) {
    const button = document.createElement("button");
    button.className = "save";
    button.textContent = "save as SVG";
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      const text = new XMLSerializer().serializeToString(figure.querySelector("svg"));
      link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
      link.download = `${figure.id}.svg`;
      link.click();
    });
    figure.append(button);
  }
  addEventListener("hashchange", read);
  read();
})();
