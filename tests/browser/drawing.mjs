// Renders a drawing (SVG) as a page shows it, in light and in dark mode, and writes what is wrong with it: text that leaves its
// box, overlaps other text, or is hard to read against what is behind it. Arguments: the drawing, and where the images go.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { withTab } from "./open.mjs";

const [drawing, images] = process.argv.slice(2);

/** Runs in the page, with the drawing as its document. */
function examine() {
  const faults = [];
  const inside = (inner, outer, margin = 0) =>
    inner.left >= outer.left + margin &&
    inner.right <= outer.right - margin &&
    inner.top >= outer.top &&
    inner.bottom <= outer.bottom;
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = channels(colour)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const page = document.documentElement.getBoundingClientRect();
  const texts = [...document.querySelectorAll("text")];
  for (const text of texts) {
    const rectangle = text.closest("[data-box]").querySelector("rect");
    const [own, box] = [text.getBoundingClientRect(), rectangle.getBoundingClientRect()];
    const words = text.textContent;
    if (own.width === 0) faults.push(`"${words}" is not drawn`);
    // Room for the wider letters of other systems' fonts.
    if (!inside(own, box, 4) || !inside(box, page)) faults.push(`"${words}" leaves its box`);
    const behind = getComputedStyle(rectangle).fill;
    for (const part of text.querySelector("tspan") ? text.querySelectorAll("tspan") : [text]) {
      const ratio = contrast(getComputedStyle(part).fill, behind);
      // WCAG 2.2, 1.4.3.
      if (ratio < 4.5) faults.push(`"${part.textContent}" has a contrast of ${ratio.toFixed(1)}`);
    }
    for (const other of texts.slice(texts.indexOf(text) + 1)) {
      if (overlap(own, other.getBoundingClientRect())) faults.push(`"${words}" overlaps "${other.textContent}"`);
    }
  }
  return { faults, texts: texts.length, background: getComputedStyle(document.querySelector("rect")).fill };
}

const seen = await withTab(async (tab) => {
  const seen = {};
  for (const scheme of ["light", "dark"]) {
    await tab.emulateMedia({ colorScheme: scheme });
    await tab.goto(pathToFileURL(drawing).href);
    seen[scheme] = await tab.evaluate(examine);
    // As an image of a page, which no style of the page reaches.
    await tab.goto("about:blank");
    const data = readFileSync(drawing).toString("base64");
    await tab.setContent(`<img alt="" src="data:image/svg+xml;base64,${data}" style="width: 880px">`);
    const image = tab.locator("img");
    await image.evaluate((element) => element.decode());
    seen[scheme].height = (await image.boundingBox()).height;
    writeFileSync(join(images, `architecture-${scheme}.png`), await image.screenshot());
  }
  return seen;
});
console.log(JSON.stringify(seen));
