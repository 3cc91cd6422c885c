"use strict";
// The live map of a large data set: grids, households and members come as vector tiles that
// MapLibre draws beneath Leaflet's own layers, so that the page is as light with 100,000 grids as
// with ten.
(() => {
  const HATCH = "gw-hatch";

  /** From this zoom on households stand place by place, with their addresses, and members by name. */
  const NEAR = 16;

  const circle = (value, low, high) => ["interpolate", ["linear"], ["sqrt", value], 1, low, 40, high, 400, 2 * high];

  function style({ root, chosen }, { minimum, maximum }) {
    const source = (layer) => ({ type: "vector", url: `${location.origin}${root}/collections/${layer}/tiles/WebMercatorQuad/tilejson.json` });
    const own = ["==", ["get", "dataset_id"], chosen];
    const flagged = ["has", "flag"];
    const out = ["any", ["<", ["get", "load"], minimum], [">", ["get", "load"], maximum]];
    const unflagged = ["all", own, ["==", ["get", "level"], "grid"], ["!", flagged], out];
    const area = (id, type, extra) => ({ id, type, source: extra.from ?? "grids", "source-layer": extra.from ?? "grids", filter: own, ...extra.body });
    return {
      version: 8,
      sources: { grids: source("grids"), divisions: source("divisions"), households: source("households"), members: source("members") },
      layers: [
        area("grids", "fill", { body: { paint: { "fill-color": "#ffffff", "fill-opacity": 0.82, "fill-antialias": false } } }),
        area("edges", "line", { body: { paint: { "line-color": "#33404e", "line-opacity": 0.8, "line-width": ["interpolate", ["linear"], ["zoom"], 6, 0.15, 12, 0.6, 16, 1.1] } } }),
        area("hatched", "fill", { body: { filter: ["all", own, flagged], paint: { "fill-pattern": HATCH } } }),
        area("out", "line", { body: { minzoom: 12, filter: unflagged, paint: { "line-color": "#1d2733", "line-width": 2, "line-dasharray": [2.5, 2] } } }),
        area("chosen", "line", { body: { filter: ["==", ["get", "code"], ""], paint: { "line-color": "#111a24", "line-width": 3.5 } } }),
        area("communities", "line", {
          from: "divisions",
          body: { paint: { "line-color": "#16202b", "line-opacity": 0.9, "line-width": ["interpolate", ["linear"], ["get", "rank"], 1, 2.4, 5, 0.9] } },
        }),
        area("households", "circle", {
          from: "households",
          body: {
            maxzoom: NEAR - 1, // MapLibre's zoom is one less than Leaflet's
            layout: { visibility: "none" },
            paint: { "circle-color": "#16202b", "circle-opacity": 0.72, "circle-stroke-color": "#ffffff", "circle-stroke-width": 0.8, "circle-radius": circle(["get", "households"], 1.8, 5) },
          },
        }),
        area("members", "circle", {
          from: "members",
          body: {
            maxzoom: NEAR - 1,
            layout: { visibility: "none" },
            paint: { "circle-color": "#0072b2", "circle-opacity": 0.85, "circle-stroke-color": "#ffffff", "circle-stroke-width": 0.8, "circle-radius": circle(["get", "records"], 2.2, 6) },
          },
        }),
      ],
    };
  }

  function hatch() {
    const size = 8;
    const data = new Uint8Array(size * size * 4);
    for (let y = 0; y < size; y += 1) {
      const at = 4 * (y * size + ((size - y) % size));
      data.set([0x1d, 0x27, 0x33, 190], at);
    }
    return { width: size, height: size, data };
  }

  /** What a scale says, as an expression over the attributes of a tile. */
  function colours({ of, classes }) {
    const vacant = ["ceil", ["/", ["coalesce", ["get", "vacancies"], 0], ["get", "grids"]]];
    const [first, ...rest] = classes;
    if (!rest.length) return first.colour;
    return ["step", of === "load" ? ["get", "load"] : vacant, first.colour, ...rest.flatMap((step) => [step.from, step.colour])];
  }

  /** A feature of a tile as the grid, or division, that the rest of the page knows. */
  function asGrid({ properties }) {
    const { code, level, name, parent, grids, load, flag, vacancies } = properties;
    const many = level !== "grid";
    return {
      code,
      communityCode: parent ?? "",
      community: name ?? "",
      grids: many ? grids : null,
      households: load,
      flag: flag ?? "",
      missing: vacancies === undefined ? null : many ? Math.round((10 * vacancies) / grids) / 10 : vacancies,
    };
  }

  /** The grids as tiles, with the means of Gridward.GridLayer. */
  class TiledGrids {
    constructor(map, meta, tiles, onOpen) {
      Object.assign(this, { map, meta, onOpen });
      map.getPane("grids").style.pointerEvents = "none";
      this.layer = L.maplibreGL({ style: style(tiles, meta), pane: "grids", interactive: false, attributionControl: false, fadeDuration: 0, padding: 0.25, updateInterval: 160 }).addTo(map);
      this.gl = this.layer.getMaplibreMap();
      this.ready = new Promise((done) => this.gl.once("load", done));
      this.gl.on("styleimagemissing", ({ id }) => id === HATCH && !this.gl.hasImage(HATCH) && this.gl.addImage(HATCH, hatch()));
      map.on("click", ({ latlng }) => this.clicked(latlng));
      this.addHint();
      this.addKeys();
    }

    at({ lat, lng }) {
      const [found] = this.gl.queryRenderedFeatures(this.gl.project([lng, lat]), { layers: ["grids"] });
      return found ? asGrid(found) : null;
    }

    clicked(latlng) {
      const grid = this.at(latlng);
      if (!grid) return;
      if (grid.grids) this.map.setView(latlng, this.map.getZoom() + 1.5);
      else this.onOpen(grid.code, latlng);
    }

    addHint() {
      const hint = L.tooltip({ opacity: 1, className: "gw-tooltip", sticky: true });
      let wanted = null;
      let over = null;
      const show = () => {
        const latlng = wanted;
        wanted = null;
        const grid = latlng && this.at(latlng);
        this.map.getContainer().style.cursor = grid ? "pointer" : "";
        if (!grid) return hint.remove();
        if (grid.code !== over) hint.setContent(Gridward.gridHint(grid));
        over = grid.code;
        return hint.setLatLng(latlng).addTo(this.map);
      };
      let moving = false;
      this.map.on("movestart zoomstart", () => (moving = true));
      this.map.on("moveend", () => (moving = false));
      this.map.on("mousemove", ({ latlng, originalEvent }) => {
        if (moving) return; // what is under the pointer is looked up when the map stands still
        const onMap = originalEvent.target === this.map.getContainer() || originalEvent.target.closest(".leaflet-pane");
        if (!wanted) requestAnimationFrame(show);
        wanted = onMap ? latlng : null;
      });
      this.map.on("mouseout movestart click popupopen", () => hint.remove());
    }

    /** Enter opens what is in the middle; Leaflet's own keys move the map. */
    addKeys() {
      const container = this.map.getContainer();
      container.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && event.target === container) this.clicked(this.map.getCenter());
      });
    }

    show() {}

    shade(scale) {
      this.ready.then(() => this.gl.setPaintProperty("grids", "fill-color", colours(scale)));
    }

    choose(code) {
      this.ready.then(() => this.gl.setFilter("chosen", ["==", ["get", "code"], code ?? ""]));
    }

    visible(layer, shown) {
      this.ready.then(() => this.gl.setLayoutProperty(layer, "visibility", shown ? "visible" : "none"));
    }

    /** What is in view, each once. */
    get grids() {
      if (!this.gl.getLayer("grids") || !this.gl.isSourceLoaded("grids")) return [];
      const seen = new Map();
      for (const feature of this.gl.queryRenderedFeatures({ layers: ["grids"] })) seen.set(feature.properties.code, feature);
      return [...seen.values()].map(asGrid);
    }
  }

  /** A layer that is drawn from tiles from afar, and by Leaflet close by. */
  function overlay(map, grids, name, near = null) {
    const group = L.layerGroup();
    const choose = () => {
      const on = map.hasLayer(group);
      const close = near !== null && map.getZoom() >= NEAR;
      grids.visible(name, on && !close);
      if (near && on && close && !map.hasLayer(near)) near.addTo(map);
      if (near && !(on && close) && map.hasLayer(near)) near.remove();
    };
    group.on("add remove", choose);
    if (near) map.on("zoomend", choose);
    return group;
  }

  class TiledMap extends Gridward.CoverageMap {
    makeGrids() {
      const grids = new TiledGrids(this.map, this.meta, this.source.tiles, this.openGrid);
      grids.gl.on("idle", () => this.updateLegend());
      grids.gl.on("error", ({ error }) => this.heading?.say(`The service did not answer (${error.status ?? error.message}).`));
      grids.gl.on("data", ({ dataType, tile }) => dataType === "source" && tile && this.heading?.say(""));
      return grids;
    }

    async refreshGrids() {} // MapLibre asks for what it needs

    overlays() {
      const named = super.overlays();
      const { map, grids, layers } = this;
      const replaced = { communities: overlay(map, grids, "communities") };
      for (const name of ["households", "members"]) {
        if (layers[name]) replaced[name] = overlay(map, grids, name, layers[name]);
      }
      for (const [words, layer] of Object.entries(named)) {
        const name = Object.keys(replaced).find((key) => layers[key] === layer);
        if (!name) continue;
        named[words] = replaced[name];
        if (map.hasLayer(layer)) layer.remove();
        layers[name] = replaced[name];
      }
      replaced.communities.addTo(map);
      return named;
    }

    async openGrid(code, latlng = null) {
      await super.openGrid(code, latlng);
      this.grids.choose(code);
    }
  }

  Gridward.tiledMap = (map, meta, source) => {
    maplibregl.setWorkerUrl(source.tiles.worker);
    return new TiledMap(map, meta, source).start();
  };
})();
