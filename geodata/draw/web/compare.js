"use strict";
// Two plans on one map: before and after as a choice, the grids that changed, the households that
// come to another grid.
(() => {
  const { element, number, plural } = Gridward;
  const { polygons } = Gridward.decode;
  const MOVED = "#8a1c5c";
  const MOST_MARKS = 4000;

  /** Grids of one side: as the coverage map has them, with what became of each. */
  function readSide(columns, names) {
    return columns.code.map((code, k) => ({
      code,
      communityCode: columns.community[k],
      community: names.get(columns.community[k]) || "",
      households: columns.households[k],
      flag: columns.flag[k],
      reason: columns.reason[k],
      missing: null,
      changed: columns.changed[k] === 1,
      polygons: polygons(columns.geometry[k]),
    }));
  }

  function search(grids) {
    return async (text, limit = 8) => {
      const wanted = text.trim().toLowerCase();
      if (!wanted) return [];
      return grids()
        .filter(({ code, community }) => `${code} ${community}`.toLowerCase().includes(wanted))
        .slice(0, limit)
        .map(({ code, community }) => ({ kind: "grid", label: code, hint: community, code }));
    };
  }

  /** Where the households of a grid come from, or go to: "120 from K001, 8 from K007". */
  function exchange(grid, side, flows) {
    const own = flows.filter((flow) => flow[side] === grid.code);
    const other = side === "after" ? "before" : "after";
    const word = side === "after" ? "from" : "to";
    const lines = own
      .sort((a, b) => b.households - a.households)
      .slice(0, 12)
      .map((flow) => element("li", { text: `${plural(flow.households, "household", "households")} ${word} ${flow[other] ? `grid ${flow[other]}` : "no grid"}` }));
    if (!grid.changed) return element("p", { class: "gw-quiet", text: "The same polygon in both plans" });
    if (!lines.length) return element("p", { class: "gw-quiet", text: "Another polygon; no household moves" });
    return element("ul", {}, ...lines);
  }

  function movedLayer(moved, openPopup) {
    const renderer = L.svg({ pane: "points", padding: 0.3 }); // a canvas would keep clicks from the grids
    const most = moved.slice(0, MOST_MARKS);
    const mark = (place) =>
      L.circleMarker([place.lat, place.lon], {
        renderer,
        pane: "points",
        radius: Math.min(10, 1.8 + Math.sqrt(place.households) * 0.5),
        color: "#ffffff",
        weight: 0.5,
        fillColor: MOVED,
        fillOpacity: 0.9,
      }).on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        openPopup(event.target.getLatLng(), movedDetails(place));
      });
    const group = L.layerGroup(most.map(mark));
    group.more = moved.length - most.length;
    return group;
  }

  const movedDetails = (place) =>
    element(
      "article",
      { class: "gw-details" },
      element("header", {}, element("h2", { text: plural(place.households, "household", "households") })),
      element("p", { text: `${place.before ? `Grid ${place.before}` : "No grid"} → ${place.after ? `grid ${place.after}` : "no grid"}` }),
    );

  class Comparison extends Gridward.CoverageMap {
    addControls() {
      super.addControls();
      const choose = (side) => () => {
        this.source.side = side;
        this.map.closePopup();
        this.closeSheet();
        this.grids.show([]); // a code may stand for another load in the other plan
        this.refreshGrids();
      };
      this.before.on("add", choose("before"));
      this.after.on("add", choose("after"));
    }

    describeGrid(grid) {
      const details = super.describeGrid(grid);
      details.append(element("section", { class: "gw-exchange" }, this.source.exchange(grid)));
      return details;
    }

    /** Before or after: a choice that redraws the grids. */
    shadings() {
      this.scale = Gridward.loadScale(this.meta);
      this.grids.shade(this.scale);
      this.before = L.layerGroup();
      this.after = L.layerGroup().addTo(this.map);
      return { Before: this.before, After: this.after };
    }

    overlays() {
      const named = super.overlays();
      const { moved } = this.source;
      this.moving = movedLayer(moved, this.openPopup);
      this.highlight = L.layerGroup().addTo(this.map);
      if (moved.length) this.moving.addTo(this.map);
      return { "Grids that change": this.highlight, "Households that move": this.moving, ...named };
    }

    async refreshGrids() {
      await super.refreshGrids();
      this.highlight.clearLayers();
      const renderer = (this.changedEdges ??= L.svg({ pane: "marks", padding: 0.5 }));
      for (const grid of this.grids.grids.filter(({ changed }) => changed)) {
        this.highlight.addLayer(
          L.polygon(grid.polygons, { renderer, pane: "marks", interactive: false, fill: false, className: "gw-changed", color: MOVED, weight: 2.6 }),
        );
      }
    }

    updateLegend() {
      super.updateLegend();
      if (!this.legend || !this.highlight) return;
      const rows = [];
      const changed = this.grids.grids.filter((grid) => grid.changed).length;
      const row = (mark, words, count) => element("li", {}, element("span", { class: `gw-swatch ${mark}` }), element("span", { text: words }), element("span", { class: "gw-count", text: number(count) }));
      if (this.map.hasLayer(this.highlight)) rows.push(row("gw-changed-key", "Grid that changes", changed));
      if (this.map.hasLayer(this.moving)) rows.push(row("gw-moved-key", "Households moving", this.meta.moving));
      if (this.moving.more) rows.push(element("li", { class: "gw-quiet", text: `${number(this.moving.more)} smaller places are not drawn` }));
      if (rows.length) this.legend.add(`${this.source.side === "after" ? "After" : "Before"} the change`, element("ul", {}, ...rows));
    }
  }

  function source(payload) {
    const names = new Map(payload.communities?.code.map((code, k) => [code, payload.communities.name[k]]));
    const sides = { before: readSide(payload.before, names), after: readSide(payload.after, names) };
    const base = Gridward.embeddedSource({ ...payload, grids: payload.after });
    const code = (side, at) => sides[side][at]?.code ?? null;
    const columns = payload.moved ?? { x: [], y: [], households: [], before: [], after: [] };
    const moved = Gridward.decode.points(columns).map((place, k) => ({
      ...place,
      households: columns.households[k],
      before: code("before", columns.before[k]),
      after: code("after", columns.after[k]),
    }));
    moved.sort((a, b) => b.households - a.households);
    const flows = new Map();
    for (const { before, after, households: load } of moved) {
      const key = JSON.stringify([before, after]);
      const flow = flows.get(key) ?? { before, after, households: 0 };
      flow.households += load;
      flows.set(key, flow);
    }
    const changed = sides.after.filter((grid) => grid.changed).length;
    const households = moved.reduce((sum, place) => sum + place.households, 0);
    const own = {
      ...base,
      totals: { ...base.totals, more: [`${plural(changed, "grid", "grids")} changed`, `${plural(households, "household moves", "households move")}`] },
      sides,
      moved,
      side: "after",
      grids: async () => sides[own.side],
      details: async (wanted) => sides[own.side].find((grid) => grid.code === wanted) ?? null,
      search: search(() => sides[own.side]),
      exchange: (grid) => exchange(grid, own.side, [...flows.values()]),
    };
    return own;
  }

  Gridward.comparisonMap = (map, meta, payload) => new Comparison(map, meta, source(payload)).start();
})();
