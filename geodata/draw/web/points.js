"use strict";
// Overlays above and below the grids: backdrop, community boundaries, households, members, facilities.
(() => {
  const { element, number, plural } = Gridward;

  const WATER = /water|river|lake|canal|sea|pond|水|河|湖|江/i;
  const RAIL = /rail|tram|metro|铁|軌|鐵/i;

  function backdropStyle(kind) {
    if (WATER.test(kind)) return { color: "#9fc4d8", weight: 1, fillColor: "#c4dde9", fillOpacity: 1 };
    if (RAIL.test(kind)) return { color: "#7d8590", weight: 1.4, dashArray: "6 4", fillColor: "#dfe1e4" };
    return { color: "#aab1ba", weight: 1, fillColor: "#e6e8e6", fillOpacity: 1 };
  }

  /** Roads, rail and water in quiet lines: what a base map would say, without one. */
  Gridward.backdropLayer = function backdropLayer(layers) {
    const group = L.layerGroup();
    const renderer = L.canvas({ pane: "backdrop", padding: 0.3 });
    const water = (layer) => (WATER.test(layer.kind) ? 0 : 1);
    for (const { kind, lines, areas } of [...layers].sort((a, b) => water(a) - water(b))) {
      const style = { ...backdropStyle(kind), renderer, pane: "backdrop", interactive: false };
      if (areas.length) group.addLayer(L.polygon(areas.flat(), style));
      if (lines.length) group.addLayer(L.polyline(lines, style));
    }
    return group;
  };

  Gridward.communityLayer = function communityLayer(communities) {
    const renderer = L.svg({ pane: "outlines", padding: 0.5 });
    const style = { renderer, pane: "outlines", interactive: false, fill: false, color: "#16202b", weight: 2.2, opacity: 0.9, className: "gw-community" };
    return L.layerGroup(communities.map(({ polygons }) => L.polygon(polygons, style)));
  };

  /** A square: facilities differ from members in shape, not in colour alone. */
  const Square = L.CircleMarker.extend({
    _updatePath() {
      const half = Math.max(Math.round(this._radius), 1);
      const { x, y } = this._point;
      const outline = `M${x - half},${y - half}h${2 * half}v${2 * half}h${-2 * half}z`;
      this._renderer._setPath(this, this._empty() ? "M0 0" : outline);
    },
  });

  function tip(...lines) {
    return () => element("div", { class: "gw-tip" }, ...lines.filter(Boolean).map((text, k) => element(k ? "span" : "strong", { text })));
  }

  const TOOLTIP = { opacity: 1, className: "gw-tooltip", direction: "top", offset: [0, -4] };

  Gridward.facilityLayer = function facilityLayer(facilities, openPopup) {
    const renderer = L.svg({ pane: "points" }); // a canvas would keep clicks from the grids
    const mark = (facility) =>
      new Square([facility.lat, facility.lon], { renderer, pane: "points", radius: 4.5, color: "#ffffff", weight: 1.2, fillColor: "#2b3440", fillOpacity: 1 })
        .bindTooltip(tip(facility.name, Gridward.label(facility.kind)), TOOLTIP)
        .on("click", (event) => {
          L.DomEvent.stopPropagation(event);
          openPopup(event.target.getLatLng(), Gridward.facilityDetails(facility));
        });
    return L.layerGroup(facilities.map(mark));
  };

  /** Members in the colour of the role they hold, or could hold; hollow where they hold none. */
  Gridward.memberLayer = function memberLayer(members, colours, openPopup, openGrid) {
    const renderer = L.svg({ pane: "points" });
    const mark = (member) => {
      const held = member.posts[0]?.role;
      const colour = colours.get(held ?? member.roles[0]) ?? "#444444";
      return L.circleMarker([member.lat, member.lon], {
        renderer,
        pane: "points",
        radius: 5,
        weight: held ? 1.2 : 2,
        color: held ? "#ffffff" : colour,
        fillColor: held ? colour : "#ffffff",
        fillOpacity: 1,
      })
        .bindTooltip(tip(member.name || member.id, (held ? [held] : member.roles).map(Gridward.label).join(", ")), TOOLTIP)
        .on("click", (event) => {
          L.DomEvent.stopPropagation(event);
          openPopup(event.target.getLatLng(), Gridward.memberDetails(member, openGrid));
        });
    };
    return L.layerGroup(members.map(mark));
  };

  function householdIcon({ households, places: together }) {
    const places = together > 1;
    if (!places && households === 1) return L.divIcon({ className: "gw-dot", iconSize: [9, 9] });
    const size = Math.round(places ? Math.min(54, 22 + 5 * Math.log2(1 + households / 8)) : 18 + 2 * String(households).length);
    return L.divIcon({
      className: places ? "gw-cluster" : "gw-tower",
      html: element("span", { text: number(households) }),
      iconSize: [size, size],
    });
  }

  /** Households near each other as one count; a tower (many on one point) stays one at any zoom. */
  Gridward.HouseholdLayer = class HouseholdLayer {
    constructor(map, ask, openPopup, openGrid) {
      Object.assign(this, { map, ask, openPopup, openGrid, turn: 0 });
      this.group = L.layerGroup();
      this.group.on("add", () => this.refresh());
      map.on("moveend", () => this.refresh());
    }

    async refresh() {
      if (!this.map.hasLayer(this.group)) return;
      const turn = (this.turn += 1);
      const found = await this.ask(Gridward.view(this.map));
      if (turn !== this.turn || found.failed) return; // a later view has been asked for meanwhile
      this.group.clearLayers();
      for (const item of found) this.group.addLayer(this.marker(item));
    }

    marker(item) {
      const words = item.places ? `${plural(item.households, "household", "households")} near here: zoom in` : plural(item.households, "household", "households");
      const marker = L.marker([item.lat, item.lon], { icon: householdIcon(item), pane: "points", keyboard: false, alt: words });
      return marker.on("click", () => {
        if (item.places) this.map.flyTo([item.lat, item.lon], Math.max(item.expand ?? 0, this.map.getZoom() + 1), { duration: 0.4 });
        else this.openPopup(marker.getLatLng(), Gridward.placeDetails(item, this.openGrid));
      });
    }
  };
})();
