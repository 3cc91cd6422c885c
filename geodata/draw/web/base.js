"use strict";
// Words, numbers and small pieces of the page. Every text goes in as a text node, never as HTML.
window.Gridward = {};

Gridward.element = function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

Gridward.number = new Intl.NumberFormat("en").format;

Gridward.plural = (count, one, many) => `${Gridward.number(count)} ${count === 1 ? one : many}`;

/** "party_group_leader" -> "Party group leader"; names that are not Latin stay as they are. */
Gridward.label = function label(code) {
  const words = String(code).replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

Gridward.distance = (metres) =>
  metres < 1000 ? `${metres} m` : `${(metres / 1000).toFixed(metres < 10000 ? 1 : 0)} km`;

Gridward.FLAGS = {
  oversize: "One building holds more households than the maximum",
  undersize: "The community holds fewer households than the minimum",
  empty: "No household lives here",
  multipart: "The grid has several parts",
  unbalanced: "No split of the community keeps every grid within range",
};

/** The flags of a grid: ["oversize", "multipart"]. */
Gridward.flags = (grid) => (grid.flag || "").split(/[;,\s]+/).filter(Boolean);
