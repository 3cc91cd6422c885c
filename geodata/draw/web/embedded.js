"use strict";
// The source of a stand-alone page: columns in the page itself (written by geodata/draw/payload.py).
// A source answers: grids, communities, backdrop, households, members, facilities, details, search.
(() => {
  const { polygons, vertices, points } = Gridward.decode;

  function readGrids({ grids, communities }) {
    const names = new Map(communities?.code.map((code, k) => [code, communities.name[k]]));
    return grids.code.map((code, k) => ({
      code,
      communityCode: grids.community[k],
      community: names.get(grids.community[k]) || "",
      households: grids.households[k],
      flag: grids.flag[k],
      reason: grids.reason[k],
      missing: grids.missing?.[k] ?? null,
      polygons: polygons(grids.geometry[k]),
    }));
  }

  const readPlaces = ({ households }, grids) =>
    households ? Gridward.decode.places(households, (k) => grids[households.grid[k]]?.code ?? null) : [];

  function readMembers({ members, posts }, grids) {
    if (!members) return { people: [], placed: [] };
    const people = members.id.map((id, k) => ({ id, name: members.name[k], roles: members.roles[k], posts: [] }));
    posts?.member.forEach((who, k) => {
      people[who]?.posts.push({ grid: grids[posts.grid[k]].code, role: posts.role[k] });
    });
    const placed = points(members).map((place, k) => Object.assign(people[members.at[k]], place));
    return { people, placed };
  }

  /** Team and vacancies of each grid, role by role in the order of the team. */
  function readTeams({ posts, vacancies, team }, people) {
    const teams = new Map();
    const entry = (grid, role) => {
      if (!teams.has(grid)) teams.set(grid, new Map(Object.keys(team ?? {}).map((name) => [name, null])));
      const roles = teams.get(grid);
      if (!roles.get(role)) roles.set(role, { role, members: [], missing: 0, reason: "" });
      return roles.get(role);
    };
    posts?.grid.forEach((grid, k) => {
      const who = posts.member[k];
      const person = people[who] ?? { id: who, name: who };
      entry(grid, posts.role[k]).members.push({
        id: person.id,
        name: person.name || person.id,
        distance: posts.distance[k],
      });
    });
    vacancies?.grid.forEach((grid, k) => {
      Object.assign(entry(grid, vacancies.role[k]), { missing: vacancies.missing[k], reason: vacancies.reason[k] });
    });
    return teams;
  }

  function clusterIndex(places) {
    const index = new Supercluster({
      radius: 80,
      maxZoom: 17,
      map: ({ households }) => ({ households, places: 1 }),
      reduce: (sum, one) => {
        sum.households += one.households;
        sum.places += one.places;
      },
    });
    return index.load(
      places.map((place, at) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [place.lon, place.lat] },
        properties: { at, households: place.households },
      })),
    );
  }

  Gridward.embeddedSource = function embeddedSource(payload) {
    const grids = readGrids(payload);
    const places = readPlaces(payload, grids);
    const { people, placed } = readMembers(payload, grids);
    const teams = readTeams(payload, people);
    const position = new Map(grids.map(({ code }, k) => [code, k]));
    let clusters = null;

    const findGrids = (text) =>
      grids
        .filter(({ code, community }) => `${code} ${community}`.toLowerCase().includes(text))
        .sort((a, b) => b.code.toLowerCase().startsWith(text) - a.code.toLowerCase().startsWith(text))
        .map(({ code, community }) => ({ kind: "grid", label: code, hint: community, code }));

    function findAddresses(text, limit) {
      const starting = [];
      const containing = [];
      for (const place of places) {
        for (const { address } of place.addresses) {
          const where = address.toLowerCase().indexOf(text);
          if (where === 0) starting.push({ kind: "address", label: address, hint: place.grid ?? "", place });
          else if (where > 0) containing.push({ kind: "address", label: address, hint: place.grid ?? "", place });
        }
        if (starting.length >= limit) break;
      }
      return [...starting, ...containing];
    }

    return {
      moving: false, // everything is here: nothing to ask for when the map moves
      has: {
        households: places.length > 0,
        addresses: Boolean(payload.households?.address),
        members: placed.length > 0,
        facilities: Boolean(payload.facilities?.name.length),
        communities: Boolean(payload.communities?.code.length),
        backdrop: Boolean(payload.backdrop?.length),
        team: Boolean(payload.posts || payload.vacancies),
      },
      totals: {
        communities: payload.communities?.code.length ?? new Set(payload.grids.community).size,
        grids: grids.length,
        households: grids.reduce((sum, grid) => sum + grid.households, 0),
        members: people.length,
        vacancies: payload.vacancies ? grids.reduce((sum, grid) => sum + grid.missing, 0) : null,
      },
      mostMissing: Math.max(0, ...grids.map(({ missing }) => missing ?? 0)),
      grids: async () => grids,
      communities: async () =>
        payload.communities.code.map((code, k) => ({
          code,
          name: payload.communities.name[k],
          polygons: polygons(payload.communities.geometry[k]),
        })),
      backdrop: async () =>
        payload.backdrop.map(({ kind, lines, areas }) => ({
          kind,
          lines: lines.map(vertices),
          areas: areas.map(polygons),
        })),
      members: async () => placed,
      facilities: async () =>
        points(payload.facilities).map((place, k) => ({
          ...place,
          name: payload.facilities.name[k],
          kind: payload.facilities.kind[k],
        })),
      households: async ({ bbox, zoom }) => {
        clusters ??= clusterIndex(places);
        return clusters.getClusters(bbox, Math.floor(zoom)).map(({ geometry, properties }) => {
          if (!properties.cluster) return places[properties.at];
          const [lon, lat] = geometry.coordinates;
          const expand = clusters.getClusterExpansionZoom(properties.cluster_id);
          return { lon, lat, households: properties.households, places: properties.places, expand };
        });
      },
      details: async (code) => {
        const grid = grids[position.get(code)];
        const team = [...(teams.get(position.get(code))?.values() ?? [])].filter(Boolean);
        return grid ? { ...grid, team } : null;
      },
      search: async (text, limit = 8) => {
        const wanted = text.trim().toLowerCase();
        return wanted ? [...findGrids(wanted), ...findAddresses(wanted, limit)].slice(0, limit) : [];
      },
    };
  };
})();
