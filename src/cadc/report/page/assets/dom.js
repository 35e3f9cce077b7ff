"use strict";
// Build elements from data. Texts are set as text nodes, so nothing in a row becomes markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}
const flat = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined);
const refill = (element, ...children) => element.replaceChildren(...flat(children));
const h = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

const number = (value, digits = 1) => (value === null ? "" : (Number(value.toFixed(digits)) + 0).toFixed(digits));
const signed = (value, digits = 1) => (value > 0 ? "+" : "") + number(value, digits);
const thousands = (value) => value.toLocaleString("en-US");
const percent = (share) => `${Number((100 * share).toPrecision(3))}%`;
const tera = (operations) => (operations === 0 ? "0" : Number((operations / 1e12).toPrecision(3)).toString());

function table(head, body) {
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head.map((title) => (title ? h("th", { scope: "col" }, title) : h("td"))),
      ),
    ),
    h(
      "tbody",
      {},
      body.map(([first, ...rest]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, first),
          rest.map((cell) => (cell instanceof Element && cell.matches("td") ? cell : h("td", {}, cell))),
        ),
      ),
    ),
  );
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, title]) => h("option", { value, selected: value === chosen }, title)));
}

// Light or dark follows the system setting until the button overrides it.
$("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
