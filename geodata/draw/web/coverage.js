"use strict";
// The coverage map: puts the layers and controls on a Leaflet map and keeps them in step with a
// source (embedded in the page, or the service).
(() => {
  Gridward.view = function view(map) {
    const edges = (bounds) => [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    return { bbox: edges(map.getBounds().pad(0.15)), inner: edges(map.getBounds()), zoom: map.getZoom() };
  };

  const PANES = { backdrop: 350, grids: 400, marks: 410, outlines: 420, points: 600 };

  function addPanes(map) {
    for (const [name, height] of Object.entries(PANES)) {
      const pane = map.createPane(name);
      pane.style.zIndex = height;
      if (["backdrop", "marks", "outlines"].includes(name)) pane.style.pointerEvents = "none";
    }
  }

  /** A layer that is fetched when it is first shown, and again after a move if the source moves. */
  function lazyLayer(map, moving, ask, build) {
    const group = L.layerGroup();
    let turn = 0;
    let drawn = null;
    const fill = async () => {
      if (!map.hasLayer(group) || (drawn && !moving)) return;
      const mine = (turn += 1);
      const found = await ask(Gridward.view(map));
      if (mine !== turn || found === drawn || found.failed) return;
      drawn = found;
      group.more = found.more;
      group.clearLayers().addLayer(build(found));
      group.fire("filled");
    };
    group.on("add", fill);
    if (moving) map.on("moveend", fill);
    return group;
  }

  class CoverageMap {
    constructor(map, meta, source) {
      Object.assign(this, { map, meta, source, silent: new Map() });
      this.narrow = window.innerWidth <= 640;
      this.colours = Gridward.roleColours(meta.roles ?? []);
      this.openPopup = this.openPopup.bind(this);
      this.openGrid = this.openGrid.bind(this);
      addPanes(map);
      this.fit(meta.bounds);
      this.grids = this.makeGrids();
      this.addControls();
      map.on("popupclose", () => this.grids.choose(null));
      map.getContainer().addEventListener("keydown", ({ key }) => key === "Escape" && map.closePopup() && this.closeSheet());
      map.on("click", () => this.closeSheet());
      map.on("overlayadd overlayremove", () => this.updateLegend());
    }

    makeGrids() {
      return new Gridward.GridLayer(this.map, this.meta, this.openGrid);
    }

    /** Shows the whole, clear of the cards in the corners. */
    fit([west, south, east, north]) {
      const cards = this.narrow ? { paddingTopLeft: [12, 130], paddingBottomRight: [12, 60] } : { paddingTopLeft: [60, 165], paddingBottomRight: [270, 24] };
      this.map.fitBounds([[south, west], [north, east]], { ...cards, animate: false });
    }

    async start() {
      await this.refreshGrids();
      if (this.source.moving) this.map.on("moveend", () => this.refreshGrids());
      return this;
    }

    /** The same question, with a line in the heading while the source does not answer. */
    asked(question) {
      return async (view) => {
        const answer = await question(view).catch((error) => Object.assign([], { failed: error.message }));
        this.silent.delete(question);
        if (answer.failed) this.silent.set(question, answer.failed);
        const [reason] = this.silent.values();
        this.heading.say(reason ? `The service did not answer (${reason}).` : "");
        return answer;
      };
    }

    async refreshGrids() {
      const turn = (this.turn = (this.turn ?? 0) + 1);
      const grids = await this.asked(this.source.grids)(Gridward.view(this.map));
      if (turn !== this.turn || grids.failed) return;
      this.grids.show(grids);
      this.updateLegend();
    }

    addControls() {
      const { map, meta, source } = this;
      map.zoomControl?.remove();
      this.heading = Gridward.headingControl(meta, source, (answer) => this.goTo(answer)).addTo(map);
      L.control.zoom({ position: "topleft" }).addTo(map);
      Gridward.fullScreenControl(map).addTo(map);
      L.control.scale({ position: "bottomleft", maxWidth: 140, imperial: false }).addTo(map);
      this.legend = Gridward.legendControl(meta, this.colours).addTo(map);
      const control = L.control.layers(this.shadings(), this.overlays(), { collapsed: this.narrow, position: "topright" });
      control.addTo(map);
      map.attributionControl?.setPrefix(false);
    }

    /** A choice that recolours the grids. */
    shading(scale) {
      const layer = L.layerGroup();
      layer.on("add", () => {
        this.scale = scale;
        this.grids.shade(scale);
        this.updateLegend();
      });
      return layer;
    }

    /** Load or vacancies: two choices for the same grids. */
    shadings() {
      const load = this.shading(Gridward.loadScale(this.meta));
      const choices = { "Load against target": load };
      if (this.source.totals.vacancies !== null) {
        choices["Vacant posts"] = this.shading(Gridward.vacancyScale(this.source.mostMissing));
      }
      this.scale = Gridward.loadScale(this.meta);
      this.grids.shade(this.scale);
      load.addTo(this.map);
      return choices;
    }

    overlays() {
      const { map, source } = this;
      const lazy = (name, build) =>
        source.has[name] && lazyLayer(map, source.moving, this.asked(source[name]), build).on("filled", () => this.updateLegend());
      const households = source.has.households
        ? new Gridward.HouseholdLayer(map, this.asked(source.households), this.openPopup, this.openGrid).group
        : null;
      this.layers = {
        households,
        members: lazy("members", (found) => Gridward.memberLayer(found, this.colours, this.openPopup, this.openGrid)),
        facilities: lazy("facilities", (found) => Gridward.facilityLayer(found, this.openPopup)),
        communities: lazy("communities", Gridward.communityLayer),
        backdrop: lazy("backdrop", Gridward.backdropLayer),
      };
      const names = { households: "Households", members: "Team members", facilities: "Facilities", communities: "Community boundaries", backdrop: "Roads, rail and water" };
      for (const name of ["communities", "backdrop"]) this.layers[name] && this.layers[name].addTo(map);
      return Object.fromEntries(Object.entries(names).filter(([key]) => this.layers[key]).map(([key, words]) => [words, this.layers[key]]));
    }

    updateLegend() {
      if (!this.legend || !this.layers) return;
      const shown = new Set(Object.keys(this.layers).filter((key) => this.layers[key] && this.map.hasLayer(this.layers[key])));
      const more = new Set([...shown].filter((key) => this.layers[key].more));
      this.legend.update(this.scale, this.grids.grids, shown, more);
    }

    /** Shows details where they belong: a popup, or on a small screen a sheet from below. */
    openPopup(latlng, content) {
      return this.narrow ? this.openSheet(latlng, content) : this.openBubble(latlng, content);
    }

    openBubble(latlng, content) {
      const size = this.map.getSize();
      const wide = size.x > 1040; // wide enough to stand between the cards
      const popup = L.popup({
        maxWidth: 360,
        minWidth: 240,
        maxHeight: Math.max(180, Math.min(480, size.y - (wide ? 90 : 230))),
        autoPanPaddingTopLeft: wide ? [380, 16] : [16, 170],
        autoPanPaddingBottomRight: wide ? [270, 24] : [16, 24],
        className: "gw-popup",
      });
      popup.setLatLng(latlng).setContent(content).openOn(this.map);
      return popup.getElement().querySelector(".leaflet-popup-content");
    }

    openSheet(latlng, content) {
      this.closeSheet();
      const close = Gridward.element("button", { type: "button", class: "gw-close", "aria-label": "Close", text: "×", onclick: () => this.closeSheet() });
      this.sheet = Gridward.element("div", { class: "gw-card gw-sheet" }, close, content);
      L.DomEvent.disableClickPropagation(this.sheet);
      L.DomEvent.disableScrollPropagation(this.sheet);
      this.map.getContainer().append(this.sheet);
      this.map.panInside(latlng, { paddingTopLeft: [40, 170], paddingBottomRight: [40, this.sheet.offsetHeight + 40], animate: false });
      return this.sheet;
    }

    closeSheet() {
      if (!this.sheet) return;
      this.sheet.remove();
      this.sheet = null;
      this.map.fire("popupclose");
    }

    describeGrid(grid) {
      return Gridward.gridDetails(grid, this.meta, this.source.has.team);
    }

    async openGrid(code, latlng = null) {
      const grid = await this.source.details(code);
      if (!grid) return;
      const from = document.activeElement?.dataset?.code === code ? document.activeElement : null;
      const box = this.openPopup(latlng ?? L.latLng(Gridward.inside(grid.polygons)), this.describeGrid(grid));
      this.grids.choose(code);
      if (from) this.lendFocus(box, from);
    }

    /** Details opened by key take the focus, and give it back when they close. */
    lendFocus(box, from) {
      box.setAttribute("tabindex", "-1");
      box.focus({ preventScroll: true });
      this.map.once("popupclose", () => from.focus({ preventScroll: true }));
    }

    async goTo(answer) {
      if (answer.kind === "grid") {
        const grid = await this.source.details(answer.code);
        this.map.fitBounds(L.latLngBounds(grid.polygons.flat(2)), { maxZoom: 17, padding: [60, 60], animate: false });
        await this.openGrid(answer.code);
        return;
      }
      this.map.setView([answer.place.lat, answer.place.lon], Math.max(this.map.getZoom(), 18), { animate: false });
      const { households } = this.layers;
      if (households && !this.map.hasLayer(households)) households.addTo(this.map);
      this.openPopup([answer.place.lat, answer.place.lon], Gridward.placeDetails(answer.place, this.openGrid));
    }
  }

  /** A point inside the largest part: the middle of the widest run of a line across it. */
  Gridward.inside = function inside(polygons) {
    const extent = (rings) => {
      const lats = rings[0].map(([lat]) => lat);
      const lons = rings[0].map(([, lon]) => lon);
      return (Math.max(...lats) - Math.min(...lats)) * (Math.max(...lons) - Math.min(...lons));
    };
    const rings = polygons.reduce((best, part) => (extent(part) > extent(best) ? part : best));
    const lats = rings[0].map(([lat]) => lat);
    const lat = (Math.max(...lats) + Math.min(...lats)) / 2;
    const cuts = [];
    for (const ring of rings) {
      ring.forEach(([lat1, lon1], k) => {
        const [lat2, lon2] = ring[(k + 1) % ring.length];
        if (lat1 > lat !== lat2 > lat) cuts.push(lon1 + ((lat - lat1) / (lat2 - lat1)) * (lon2 - lon1));
      });
    }
    cuts.sort((a, b) => a - b);
    let best = [cuts[0], cuts[1]];
    for (let k = 2; k + 1 < cuts.length; k += 2) if (cuts[k + 1] - cuts[k] > best[1] - best[0]) best = [cuts[k], cuts[k + 1]];
    return [lat, (best[0] + best[1]) / 2];
  };

  Gridward.CoverageMap = CoverageMap;
  Gridward.coverageMap = (map, meta, source) => new CoverageMap(map, meta, source).start();
})();
