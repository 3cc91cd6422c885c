"use strict";
// Colours. Load: blue (too few) to orange (too many) about a pale middle; blue and orange stay apart
// for every common form of colour blindness. Vacancies: one hue that darkens with the number.
(() => {
  const BELOW = "#1f5a93";
  const ABOVE = "#a3420b";
  const WITHIN = ["#86b6dc", "#c3dcee", "#faf6dc", "#fbd4a4", "#f0a04f"];
  const STAFFED = "#f6f6ec";
  const MISSING = ["#d0c6e6", "#ab9ad3", "#8771bb", "#66499c", "#42207a"];
  // Okabe and Ito's palette, the colours of members' roles
  const ROLES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6a00", "#444444"];

  const range = (low, high) => (low === high ? `${low}` : `${low}–${high}`);

  /** Classes of load from the fewest to the most: {label, colour, from, within, holds(grid)}. */
  Gridward.loadScale = function loadScale({ target, minimum, maximum }) {
    const down = target - minimum;
    const up = maximum - target;
    const edges = [
      minimum,
      Math.round(target - 0.6 * down),
      Math.round(target - 0.2 * down),
      Math.round(target + 0.2 * up) + 1,
      Math.round(target + 0.6 * up) + 1,
      maximum + 1,
    ];
    const within = WITHIN.map((colour, k) => ({ colour, low: edges[k], high: edges[k + 1], within: true }))
      .filter(({ low, high }) => low < high)
      .map((step) => ({
        ...step,
        from: step.low,
        label: range(step.low, step.high - 1),
        holds: (grid) => grid.households >= step.low && grid.households < step.high,
      }));
    return {
      title: "Households a grid",
      of: "load",
      note: `target ${Gridward.number(target)}`,
      within: "within range",
      classes: [
        { label: `under ${minimum}`, colour: BELOW, holds: (grid) => grid.households < minimum },
        ...within,
        { label: `over ${maximum}`, colour: ABOVE, from: maximum + 1, holds: (grid) => grid.households > maximum },
      ],
    };
  };

  /** Classes of missing posts: 0, then at most five steps up to the most that a grid can miss. */
  Gridward.vacancyScale = function vacancyScale(most) {
    const width = Math.max(1, Math.ceil(most / MISSING.length));
    const steps = Math.max(1, Math.min(MISSING.length, Math.ceil(most / width)));
    const classes = [{ label: "0, fully staffed", colour: STAFFED, holds: (grid) => !grid.missing }];
    for (let k = 0; k < steps; k += 1) {
      const low = 1 + k * width;
      const last = k === steps - 1;
      const colour = MISSING[Math.round((k * (MISSING.length - 1)) / Math.max(1, steps - 1))];
      classes.push({
        label: last && most > MISSING.length ? `${low} or more` : range(low, low + width - 1),
        colour,
        from: low,
        holds: ({ missing }) => Math.ceil(missing ?? 0) >= low && (last || Math.ceil(missing ?? 0) < low + width),
      });
    }
    return { title: "Vacant posts a grid", of: "vacancies", classes };
  };

  Gridward.colourOf = (scale, grid) => scale.classes.find((step) => step.holds(grid))?.colour ?? "#ffffff";

  Gridward.roleColours = (roles) =>
    new Map(roles.map((role, k) => [role, ROLES[k % ROLES.length]]));
})();
