"use strict";
// The source of the live map: the service, a box at a time.
(() => {
  const { vertices, polygons, points, places } = Gridward.decode;

  const within = ([w, s, e, n], [west, south, east, north]) => w >= west && s >= south && e <= east && n <= north;

  /** Asks for a box half as large again as the view, and asks anew only when the view leaves it. */
  function fetcher(root) {
    const held = new Map();
    return function ask(layer, { inner, zoom }, read) {
      const last = held.get(layer);
      if (last && last.zoom === zoom && within(inner, last.box)) return last.answer;
      const [west, south, east, north] = inner;
      const [dx, dy] = [(east - west) / 4, (north - south) / 4];
      const box = [west - dx, south - dy, east + dx, north + dy];
      const clamped = box.map((value, k) => Math.max(k % 2 ? -90 : -180, Math.min(k % 2 ? 90 : 180, value)));
      const answer = getJson(`${root}/${layer}?bbox=${clamped.map((value) => value.toFixed(6))}&zoom=${zoom}`).then(read);
      const entry = { box, zoom, answer };
      held.set(layer, entry);
      answer.catch(() => held.get(layer) === entry && held.delete(layer));
      return answer;
    };
  }

  async function getJson(url) {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return response.json();
  }

  const readGrids = (columns) =>
    columns.code.map((code, k) => ({
      code,
      communityCode: columns.community?.[k] ?? "",
      community: columns.name[k],
      grids: columns.grids?.[k] ?? null,
      households: columns.households[k],
      flag: columns.flag?.[k] ?? "",
      missing: columns.missing[k],
      polygons: polygons(columns.geometry[k]),
    }));

  const readCommunities = ({ code, name, geometry }) =>
    code.map((value, k) => ({ code: value, name: name[k], polygons: polygons(geometry[k]) }));

  const readBackdrop = ({ layers, more }) =>
    Object.assign(
      layers.map(({ kind, lines, areas }) => ({ kind, lines: lines.map(vertices), areas: areas.map(polygons) })),
      { more },
    );

  const readHouseholds = (columns) =>
    columns.address
      ? places(columns, (k) => columns.grid[k])
      : points(columns).map((place, k) => ({ ...place, households: columns.households[k], places: columns.places[k] }));

  function liveSource({ root, has, totals, mostMissing }) {
    const ask = fetcher(root);
    const pointLayer = (layer, read) => (view) =>
      ask(layer, view, (columns) =>
        Object.assign(points(columns).map((place, k) => ({ ...place, ...read(columns, k) })), { more: columns.more }),
      );
    return {
      moving: true,
      has,
      totals,
      mostMissing,
      grids: (view) => ask("grids", view, readGrids),
      communities: (view) => ask("communities", view, readCommunities),
      backdrop: (view) => ask("backdrop", view, readBackdrop),
      households: (view) => ask("households", view, readHouseholds),
      members: pointLayer("members", ({ id, name, roles, posts }, k) => ({ id: id[k], name: name[k], roles: roles[k], posts: posts[k] })),
      facilities: pointLayer("facilities", ({ name, kind }, k) => ({ name: name[k], kind: kind[k] })),
      details: async (code) => {
        const grid = await getJson(`${root}/grids/${encodeURIComponent(code)}`);
        return { ...grid, reason: "", polygons: polygons(grid.geometry) };
      },
      search: (text) => getJson(`${root}/search?q=${encodeURIComponent(text.slice(0, 200))}`),
    };
  }

  const live = JSON.parse(document.getElementById("gridward-live").textContent);
  const map = L.map("map", { zoomSnap: 0.25, zoomDelta: 0.5, maxZoom: 20, fadeAnimation: false });
  if (live.basemap) L.tileLayer(live.basemap, { attribution: live.attribution, maxZoom: 20 }).addTo(map);
  const draw = live.tiles ? Gridward.tiledMap : Gridward.coverageMap;
  draw(map, { ...live.meta, choices: live.choices, chosen: live.chosen }, { ...liveSource(live), tiles: live.tiles });
})();
