"use strict";
// Where the grids are more than a page can hold: divisions in their place, in finer levels as one
// comes nearer, each with its figures and those of the divisions below it.
(() => {
  const { element, number, plural, label } = Gridward;

  /** Divisions of one level that are drawn at once, as on the live map. */
  const MOST = 1500;
  /** Divisions below one that its details list. */
  const LISTED = 12;

  const FILLED = [
    { label: "all posts", colour: "#f6f6ec", least: 1 },
    { label: "99 % and more", colour: "#d0c6e6", least: 0.99 },
    { label: "95–99 %", colour: "#ab9ad3", least: 0.95 },
    { label: "90–95 %", colour: "#8771bb", least: 0.9 },
    { label: "75–90 %", colour: "#66499c", least: 0.75 },
    { label: "under 75 %", colour: "#42207a", least: -1 },
  ];

  /** Classes of the share of posts that somebody holds. */
  function filledScale() {
    const classes = FILLED.map(({ label: words, colour, least }, k) => ({
      label: words,
      colour,
      holds: ({ filled }) => filled >= least && (k === 0 || filled < FILLED[k - 1].least),
    }));
    return { title: "Posts filled", of: "posts", classes };
  }

  const percent = (share) => `${(Math.floor(1000 * share) / 10).toFixed(share === 1 ? 0 : 1)} %`;

  function boundsOf(polygons) {
    let [west, south, east, north] = [180, 90, -180, -90];
    for (const [ring] of polygons) {
      for (const [lat, lon] of ring ?? []) {
        west = Math.min(west, lon);
        east = Math.max(east, lon);
        south = Math.min(south, lat);
        north = Math.max(north, lat);
      }
    }
    return [west, south, east, north];
  }

  /** As the grids of a coverage map, with means of a grid; polygons are decoded when first drawn. */
  function readDivisions({ divisions, vacancies, levels }) {
    const read = divisions.code.map((code, k) => {
      const [required, held, grids] = [divisions.posts_required[k], divisions.posts_filled[k], divisions.grids[k]];
      let polygons = null;
      return {
        code,
        rank: divisions.level[k],
        level: levels[divisions.level[k]],
        communityCode: divisions.code[divisions.parent[k]] ?? "",
        community: divisions.name[k] || code,
        grids,
        out: divisions.out_of_range[k],
        inAll: divisions.households[k],
        households: Math.round(divisions.households[k] / grids),
        required,
        held,
        filled: required ? held / required : 1,
        missing: required ? Math.round((10 * (required - held)) / grids) / 10 : null,
        flag: "",
        reason: "",
        lacking: [],
        below: [],
        get polygons() {
          return (polygons ??= Gridward.decode.polygons(divisions.geometry[k]));
        },
      };
    });
    divisions.parent.forEach((parent, k) => read[parent]?.below.push(read[k]));
    vacancies?.at.forEach((at, k) => read[at].lacking.push({ role: vacancies.role[vacancies.of[k]], missing: vacancies.missing[k] }));
    for (const each of read) each.bounds = boundsOf(each.polygons);
    return read;
  }

  const touches = ([w, s, e, n], [west, south, east, north]) => w <= east && e >= west && s <= north && n >= south;

  function source(payload) {
    const all = readDivisions(payload);
    const byCode = new Map(all.map((each) => [each.code, each]));
    const ranks = [...new Set(all.map(({ rank }) => rank))].sort((a, b) => b - a);
    const finest = all.filter(({ rank }) => rank === ranks[0]);
    const sum = (name) => finest.reduce((total, each) => total + each[name], 0);
    const starts = ({ code, community }, text) => code.toLowerCase().startsWith(text) || community.toLowerCase().startsWith(text);
    return {
      moving: true, // coming nearer shows a finer level
      has: { team: sum("required") > 0 },
      searches: "Division code or name",
      totals: {
        communities: finest.length,
        grids: sum("grids"),
        households: sum("inAll"),
        vacancies: sum("required") ? sum("required") - sum("held") : null,
      },
      grids: async ({ bbox }) => {
        let shown = [];
        for (const rank of ranks) {
          shown = all.filter((each) => each.rank === rank && touches(each.bounds, bbox));
          if (shown.length <= MOST) break;
        }
        return shown;
      },
      details: async (code) => byCode.get(code) ?? null,
      search: async (text, limit = 8) => {
        const wanted = text.trim().toLowerCase();
        if (!wanted) return [];
        return all
          .filter(({ code, community }) => `${code} ${community}`.toLowerCase().includes(wanted))
          .sort((a, b) => starts(b, wanted) - starts(a, wanted) || a.rank - b.rank)
          .slice(0, limit)
          .map(({ code, community, level }) => ({ kind: "grid", label: community, hint: `${label(level)} ${code}`, code }));
      },
    };
  }

  const row = (words, ...cells) => element("tr", {}, element("th", { scope: "row", text: words }), ...cells.map((text) => element("td", { text })));

  function figures(division) {
    const { grids, inAll, households, out, required, held, filled, lacking } = division;
    const rows = [
      row("Households", `${number(inAll)} in ${plural(grids, "grid", "grids")}, ${number(households)} a grid`),
      row("Out of range", out ? `${plural(out, "grid", "grids")} (${percent(out / grids)})` : "no grid"),
    ];
    if (required) {
      rows.push(row("Posts filled", `${number(held)} of ${number(required)} (${percent(filled)})`));
      for (const { role, missing } of lacking) rows.push(row(`${label(role)} vacant`, number(missing)));
    }
    return element("table", { class: "gw-team" }, element("tbody", {}, ...rows));
  }

  /** The divisions below, those that lack most first. */
  function belowSection(division, goTo) {
    if (!division.below.length) return null;
    const order = [...division.below].sort((a, b) => a.filled - b.filled || b.out / b.grids - a.out / a.grids || (a.code < b.code ? -1 : 1));
    const line = (each) =>
      element(
        "li",
        {},
        element("button", { type: "button", class: "gw-link", text: each.community, onclick: () => goTo(each.code) }),
        element("span", { class: "gw-quiet", text: each.required ? ` ${percent(each.filled)} of posts` : ` ${plural(each.grids, "grid", "grids")}` }),
      );
    const rest = order.length - LISTED;
    return element(
      "section",
      {},
      element("p", { class: "gw-below" }, element("strong", { text: `Of its ${plural(order.length, "division", "divisions")}, those that lack most` })),
      element("ul", { class: "gw-posts" }, ...order.slice(0, LISTED).map(line), rest > 0 ? element("li", { class: "gw-quiet", text: `and ${number(rest)} more: zoom in` }) : null),
    );
  }

  /** Every division shows its figures on a click. */
  class Divisions extends Gridward.GridLayer {
    open(shape, latlng) {
      this.onOpen(shape.grid.code, latlng);
    }
  }

  class DivisionMap extends Gridward.CoverageMap {
    makeGrids() {
      return new Divisions(this.map, this.meta, this.openGrid);
    }

    /** Posts first: the mean load of a division is near the target almost everywhere. */
    shadings() {
      const { "Load against target": load } = super.shadings();
      if (!this.source.has.team) return { "Load against target": load };
      const filled = this.shading(filledScale());
      load.remove();
      filled.addTo(this.map);
      return { "Posts filled": filled, "Load against target": load };
    }

    describeGrid(division) {
      const goTo = (code) => this.goTo({ kind: "grid", code });
      const above = division.communityCode ? element("button", { type: "button", class: "gw-link", text: "The division above", onclick: () => goTo(division.communityCode) }) : null;
      return element(
        "article",
        { class: "gw-details" },
        element("header", {}, element("h2", { text: division.community }), element("p", { class: "gw-hint", text: `${label(division.level)} ${division.code}` })),
        figures(division),
        belowSection(division, goTo),
        element("p", { class: "gw-quiet" }, "Its grids: ", element("code", { text: `gridward map --division ${division.code}` })),
        above,
      );
    }
  }

  Gridward.divisionMap = (map, meta, payload) => new DivisionMap(map, meta, source(payload)).start();
})();
