// What the static page lacks:
// 1. a slider's handle has no name and speaks its index: give it its label and its readout;
// 2. what scrolls sideways must be reachable by keyboard;
// 3. an ECMAScript module is not loaded from file://, so the map is drawn by the classic build of mermaid there;
// 4. the arrows of the sidebar have no name;
// 5. the corner of a table is no heading;
// 6. the widget manager typesets labels through MathJax 2: pass it on to MathJax 3;
// 7. a small drawing would be blown up to the width of the page.
"use strict";

const hub = {
  Queue: ([, , element]) => window.MathJax.startup?.promise?.then(() => window.MathJax.typesetPromise([element])),
};
let mathjax = window.MathJax;
if (mathjax) mathjax.Hub = hub;
Object.defineProperty(window, "MathJax", {
  configurable: true,
  get: () => mathjax,
  set: (value) => {
    mathjax = value;
    if (value) value.Hub = hub;
  },
});

function nameSliders() {
  for (const widget of document.querySelectorAll(".widget-slider")) {
    const handle = widget.querySelector(".noUi-handle");
    if (!handle) continue;
    const label = widget.querySelector(".widget-label")?.textContent.trim() || "frame";
    const value = widget.querySelector(".widget-readout")?.textContent.trim() || "";
    if (handle.getAttribute("aria-label") !== label) handle.setAttribute("aria-label", label);
    if (value && handle.getAttribute("aria-valuetext") !== value) handle.setAttribute("aria-valuetext", value);
  }
}

function drawMapFromFile() {
  const module = document.querySelector("script[type=module]");
  const maps = document.querySelectorAll("pre.mermaid");
  if (location.protocol !== "file:" || !maps.length || !module) return;
  const script = document.createElement("script");
  const root = document.documentElement.dataset.content_root || "./";
  script.src = root + "_static/vendor/mermaid/mermaid.min.js";
  script.onload = () => {
    const dark = document.documentElement.dataset.theme === "dark";
    mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral" });
    mermaid.run({ nodes: maps });
  };
  document.head.append(script);
}

function nameToggles() {
  for (const toggle of document.querySelectorAll(".bd-sidebar-primary summary"))
    toggle.setAttribute("aria-label", "Pages of this section");
}

function unheadCorners() {
  for (const corner of document.querySelectorAll("article th")) {
    if (corner.textContent.trim() || corner.querySelector("img, svg, mjx-container")) continue;
    const cell = document.createElement("td");
    cell.className = corner.className;
    corner.replaceWith(cell);
  }
}

function focusScrollers() {
  for (const box of document.querySelectorAll("pre.mermaid, .widget-html-content, mjx-container[display=true]")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}

function keepMapsSmall() {
  for (const map of document.querySelectorAll("pre.mermaid > svg")) {
    const width = `${Math.ceil(map.viewBox.baseVal?.width || 0)}px`; // as drawn
    if (width !== "0px" && map.style.getPropertyPriority("max-width") !== "important")
      map.style.setProperty("max-width", `min(100%, ${width})`, "important");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const refresh = () => (nameSliders(), unheadCorners(), focusScrollers(), keepMapsSmall());
  new MutationObserver(refresh).observe(document.body, { childList: true, subtree: true, characterData: true });
  refresh();
  nameToggles();
  drawMapFromFile();
});
