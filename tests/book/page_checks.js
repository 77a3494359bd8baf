// Run inside of a page: what a reader would stumble over. Each function returns a list of sentences, empty if all is well.

window.courseChecks = (() => {
  const visible = (element) => {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return style.visibility !== "hidden" && style.display !== "none" && box.width > 0 && box.height > 0;
  };
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a)).concat(1);
  const luminance = (colour) =>
    colour.slice(0, 3).reduce((sum, c, i) => {
      const s = c / 255;
      return sum + [0.2126, 0.7152, 0.0722][i] * (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
    }, 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  // the colour behind an element: all translucent layers of its ancestors over the first opaque one
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const box = at.matches?.(".node, .cluster") ? at.querySelector("rect") : null; // mermaid's boxes are drawn
      const colour = rgba(box ? getComputedStyle(box).fill : getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const excerpt = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}">`;

  function contrast(root = "article, .bd-sidebar-primary, .bd-sidebar-secondary, footer") {
    const found = new Map();
    for (const scope of document.querySelectorAll(root)) {
      const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        if (!text || element.closest("script, style, title, [aria-hidden=true], .headerlink, mjx-assistive-mml") || !visible(element)) continue;
        const style = getComputedStyle(element);
        const drawn = element instanceof SVGElement;
        const behind = background(element);
        let opacity = 1;
        for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
        const [r, g, b, a] = rgba(drawn ? style.fill : style.color);
        const got = ratio(over([r, g, b, a * opacity], behind), behind);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const want = large || drawn ? 3 : 4.5; // a line's label in a figure has the colour of its line
        if (got < want - 0.01) found.set(excerpt(element), `${excerpt(element)} "${text.slice(0, 40)}": ${got.toFixed(2)} < ${want}`);
      }
    }
    return [...found.values()];
  }

  function wide() {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const inside = (element) => {
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX)) return true;
      return false;
    };
    const culprits = [];
    for (const e of document.querySelectorAll("body *")) {
      if (e.getBoundingClientRect().right > room + 1 && !e.closest("mjx-math") && visible(e) && !inside(e)) culprits.push(e);
      if (culprits.length === 5) break;
    }
    return [`the page is ${document.documentElement.scrollWidth} px wide`, ...culprits.map(excerpt)];
  }

  function unnamed() {
    const name = (e) => (e.getAttribute("alt") ?? e.getAttribute("aria-label") ?? "").trim() || e.getAttribute("aria-labelledby");
    const pictures = document.querySelectorAll("article img, article svg, article [role=img]");
    return [...pictures].filter((e) => !e.closest("[aria-hidden=true], button") && !name(e) && !e.parentElement.closest("svg, [role=img]")).map(excerpt);
  }

  function unresolved() {
    const errors = [...document.querySelectorAll("mjx-merror, .mermaid-error, .error-icon")].map(excerpt);
    const raw = [...document.querySelectorAll("article div.math, article span.math")].filter((e) => visible(e) && !e.querySelector("mjx-container"));
    const waiting = [...document.querySelectorAll("pre.mermaid")].filter((e) => !e.querySelector("svg"));
    const questions = [...document.querySelectorAll("article a.reference, article .problematic")].filter((e) => /^\(?\?\?/.test(e.textContent) || e.matches(".problematic"));
    return [...errors, ...raw.map((e) => `formula not drawn: ${e.textContent.slice(0, 40)}`), ...waiting.map(() => "map not drawn"), ...questions.map((e) => `reference ${e.textContent}`)];
  }

  // a drawing of three boxes stretched to the width of the page fills two screens
  function enlarged() {
    const drawings = [...document.querySelectorAll("article pre.mermaid > svg")];
    return drawings.filter((e) => e.getBoundingClientRect().width > e.viewBox.baseVal.width * 1.05 + 1).map(excerpt);
  }

  return { contrast, wide, unnamed, unresolved, enlarged };
})();
