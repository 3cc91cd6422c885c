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

/** The columns that geodata/draw/encode.py writes: steps of whole millionths of a degree. */
Gridward.decode = (() => {
  const MILLIONTH = 1e-6;

  /** Steps -> [[lat, lon], ...]. */
  function vertices(steps) {
    const line = [];
    for (let k = 0, x = 0, y = 0; k < steps.length; k += 2) {
      x += steps[k];
      y += steps[k + 1];
      line.push([y * MILLIONTH, x * MILLIONTH]);
    }
    return line;
  }

  const polygons = (parts) => parts.map((rings) => rings.map(vertices));

  function points(columns) {
    let x = 0;
    let y = 0;
    return columns.x.map((step, k) => {
      x += step;
      y += columns.y[k];
      return { lon: x * MILLIONTH, lat: y * MILLIONTH };
    });
  }

  /** Places with the households and the addresses at each; gridOf(k) is the code of its grid. */
  function places(columns, gridOf) {
    let next = 0;
    return points(columns).map((place, k) => {
      const addresses = [];
      for (let end = next + (columns.addresses?.[k] ?? 0); next < end; next += 1) {
        addresses.push({ address: columns.address[next], households: columns.at_address[next] });
      }
      return { ...place, households: columns.households[k], grid: gridOf(k), addresses };
    });
  }

  return { vertices, polygons, points, places };
})();
