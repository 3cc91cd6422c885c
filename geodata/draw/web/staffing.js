"use strict";
// A staffing on the coverage map: marks where posts are vacant, lines from members to their posts,
// and lines of those who would come from farther away.
(() => {
  const { element, number, plural, label, distance } = Gridward;
  const VACANT = "#8a2f5c";
  const RELIEF = "#8a2f5c";
  const BUNDLE = "#33404e";
  const MILLIONTH = 1e-6;

  /** Lines as [[lat, lon], [lat, lon]] with what is known of each. */
  function readLines(columns, describe) {
    if (!columns) return [];
    return Gridward.decode.points(columns).map((from, k) => ({
      ends: [[from.lat, from.lon], [from.lat + columns.dy[k] * MILLIONTH, from.lon + columns.dx[k] * MILLIONTH]],
      ...describe(k),
    }));
  }

  const readWays = (columns, roles) =>
    readLines(columns, (k) => ({ member: columns.member[k], grid: columns.grid[k], role: roles[columns.role[k]], metres: columns.metres[k] }));

  function readVacant(columns, roles) {
    const places = Gridward.decode.points(columns).map((place, k) => ({ ...place, code: columns.code[k] ?? null, grids: columns.grids[k], roles: [], missing: 0 }));
    columns.at.forEach((at, k) => {
      places[at].roles.push({ role: roles[columns.role[k]], missing: columns.missing[k] });
      places[at].missing += columns.missing[k];
    });
    return places.sort((a, b) => b.missing - a.missing);
  }

  const wayDetails = (way, words, openGrid) =>
    element(
      "article",
      { class: "gw-details" },
      element("header", {}, element("h2", { text: way.member }), element("p", { class: "gw-hint", text: words })),
      element("p", { text: `${label(way.role)}, ${distance(way.metres)} from the grid` }),
      element("button", { type: "button", class: "gw-link", text: `Grid ${way.grid}`, onclick: () => openGrid(way.grid) }),
    );

  const vacantDetails = (place, openGrid) =>
    element(
      "article",
      { class: "gw-details" },
      element(
        "header",
        {},
        element("h2", { text: plural(place.missing, "vacant post", "vacant posts") }),
        element("p", { class: "gw-hint", text: place.code ? "" : `in ${plural(place.grids, "grid", "grids")} near here` }),
      ),
      element("ul", { class: "gw-flags" }, ...place.roles.map(({ role, missing }) => element("li", { text: `${label(role)}: ${number(missing)}` }))),
      place.code ? element("button", { type: "button", class: "gw-link", text: `Grid ${place.code}`, onclick: () => openGrid(place.code) }) : null,
    );

  /** A line that can be clicked though it is thin. */
  function clickable(line, style, open) {
    const shown = L.polyline(line.ends, { ...style, interactive: false });
    const wide = L.polyline(line.ends, { renderer: style.renderer, pane: style.pane, weight: 9, opacity: 0 }).on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      open(event.latlng);
    });
    return [shown, wide];
  }

  class Staffing extends Gridward.CoverageMap {
    /** Vacancies first: they are what the page is about. Without polygons there is no choice. */
    shadings() {
      if (!this.meta.drawn) {
        this.scale = Gridward.loadScale(this.meta);
        this.grids.shade(this.scale);
        return {};
      }
      const choices = super.shadings();
      const [load, vacant] = Object.values(choices);
      if (vacant) {
        load.remove();
        vacant.addTo(this.map);
      }
      return choices;
    }

    overlays() {
      const named = super.overlays();
      const { ways, bundles, relief, vacant } = this.source;
      const renderer = L.svg({ pane: "marks", padding: 0.3 });
      this.map.getPane("marks").style.pointerEvents = ""; // its lines take clicks, its ground does not
      const style = { renderer, pane: "marks" };
      const openGrid = this.source.has.team ? this.openGrid : () => {};
      this.vacant = this.vacantLayer(vacant, openGrid);
      this.ways = L.layerGroup([
        ...bundles.map((line) =>
          L.polyline(line.ends, { ...style, interactive: false, color: BUNDLE, opacity: 0.55, weight: Math.min(9, 0.8 + 0.35 * Math.sqrt(line.posts)) }),
        ),
        ...[...ways].reverse().flatMap((way) => {
          const open = (at) => this.openPopup(at, wayDetails(way, "holds a post here", openGrid));
          return clickable(way, { ...style, color: this.colours.get(way.role) ?? "#444", weight: 1.3, opacity: 0.85 }, open);
        }),
      ]);
      this.relief = L.layerGroup(
        relief.flatMap((way) => {
          const open = (at) => this.openPopup(at, wayDetails(way, "would come if the distance did not matter", openGrid));
          return clickable(way, { ...style, color: RELIEF, weight: 1.6, opacity: 0.9, dashArray: "5 5" }, open);
        }),
      );
      const own = { "Marks of vacancies": this.vacant, "Ways to posts": this.ways };
      if (relief.length) own["Who would come from farther away"] = this.relief;
      this.vacant.addTo(this.map);
      this.ways.addTo(this.map);
      return { ...own, ...named };
    }

    /** Vacancies near each other as one mark, anew for every zoom. */
    vacantLayer(vacant, openGrid) {
      const index = new Supercluster({
        radius: 60,
        maxZoom: 13,
        map: ({ missing, grids, roles }) => ({ missing, grids, roles: new Map(roles.map((each) => [each.role, each.missing])) }),
        reduce: (sum, one) => {
          sum.missing += one.missing;
          sum.grids += one.grids;
          for (const [role, missing] of one.roles) sum.roles.set(role, (sum.roles.get(role) ?? 0) + missing);
        },
      });
      const feature = (place) => ({ type: "Feature", geometry: { type: "Point", coordinates: [place.lon, place.lat] }, properties: place });
      index.load(vacant.map(feature));
      const group = L.layerGroup();
      const refresh = () => {
        if (!this.map.hasLayer(group)) return;
        const { bbox, zoom } = Gridward.view(this.map);
        group.clearLayers();
        for (const found of index.getClusters(bbox, Math.floor(zoom))) group.addLayer(this.vacantMark(found, openGrid));
      };
      group.on("add", refresh);
      this.map.on("moveend", refresh);
      return group;
    }

    vacantMark({ geometry, properties }, openGrid) {
      const [lon, lat] = geometry.coordinates;
      const roles = properties.cluster ? [...properties.roles].map(([role, missing]) => ({ role, missing })) : properties.roles;
      const place = { code: properties.cluster ? null : properties.code, missing: properties.missing, grids: properties.grids, roles };
      const size = Math.round(15 + 2.6 * Math.log2(1 + place.missing));
      const html = element("span", { text: number(place.missing) });
      const icon = L.divIcon({ className: "gw-lack", html, iconSize: [size + 3 * String(place.missing).length, size] });
      const mark = L.marker([lat, lon], { icon, pane: "points", keyboard: false, alt: plural(place.missing, "vacant post", "vacant posts") });
      return mark.on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        if (place.code && this.source.has.team) openGrid(place.code);
        else this.openPopup(mark.getLatLng(), vacantDetails(place, openGrid));
      });
    }

    updateLegend() {
      super.updateLegend();
      if (!this.legend || !this.relief) return;
      const body = this.legend.getContainer().querySelector(".gw-legend-body");
      if (!this.meta.drawn) body.firstChild?.remove(); // the scale of grids that are not drawn
      const swatch = (kind, colour) => {
        const node = element("span", { class: `gw-swatch ${kind}` });
        node.style.setProperty("--colour", colour);
        return node;
      };
      const row = (mark, words, count) => element("li", {}, mark, element("span", { text: words }), count === undefined ? null : element("span", { class: "gw-count", text: number(count) }));
      const rows = [];
      if (this.map.hasLayer(this.vacant)) rows.push(row(swatch("gw-round", VACANT), "Vacant posts", this.meta.totals.vacancies));
      if (this.map.hasLayer(this.ways)) rows.push(...this.wayRows(row, swatch));
      if (this.map.hasLayer(this.relief)) rows.push(row(swatch("gw-line gw-far", RELIEF), "Would come from farther", this.meta.relieved));
      if (rows.length) this.legend.add("Staffing", element("ul", {}, ...rows));
    }

    wayRows(row, swatch) {
      const { ways, bundles, within } = this.source;
      const counts = new Map();
      for (const { role } of ways) counts.set(role, (counts.get(role) ?? 0) + 1);
      const rows = [...this.colours].filter(([role]) => counts.has(role)).map(([role, colour]) => row(swatch("gw-line", colour), label(role), counts.get(role)));
      const together = bundles.reduce((sum, { posts }) => sum + posts, 0);
      if (together) rows.push(row(swatch("gw-line gw-bundle", BUNDLE), "Shorter ways, together", together));
      if (within) rows.push(element("li", { class: "gw-quiet", text: `${number(within)} ways too short to be drawn` }));
      return rows;
    }
  }

  function source(meta, payload) {
    const base = Gridward.embeddedSource(payload);
    return {
      ...base,
      totals: { ...base.totals, ...meta.totals, more: [`${plural(meta.posts, "post", "posts")}, ${number(meta.kilometres)} km to them`] },
      vacant: readVacant(payload.vacant, meta.roles),
      ways: readWays(payload.ways, meta.roles),
      bundles: readLines(payload.bundles, (k) => ({ posts: payload.bundles.posts[k] })),
      within: payload.bundles.within,
      relief: readWays(payload.relief, meta.roles),
    };
  }

  Gridward.staffingMap = (map, meta, payload) =>
    new Staffing(map, { ...meta, drawn: payload.grids.code.length > 0 }, source(meta, payload)).start();
})();
