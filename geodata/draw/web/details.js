"use strict";
// What a click shows: a grid with its team and vacancies, a place with its addresses, a member.
(() => {
  const { element, number, plural, label, distance } = Gridward;
  const MANY = 60;

  const heading = (text, hint) =>
    element("header", {}, element("h2", { text }), hint ? element("p", { class: "gw-hint", text: hint }) : null);

  /** Where the load stands between minimum and maximum, as a small drawn scale. */
  function gauge(grid, { target, minimum, maximum }) {
    const top = Math.max(maximum * 1.25, grid.households * 1.05);
    const share = (value) => `${Math.min(100, (100 * value) / top).toFixed(2)}%`;
    const range = element("span", { class: "gw-gauge-range" });
    range.style.left = share(minimum);
    range.style.width = share(maximum - minimum);
    const aim = element("span", { class: "gw-gauge-target" });
    aim.style.left = share(target);
    const mark = element("span", { class: "gw-gauge-mark" });
    mark.style.left = share(grid.households);
    return element("div", { class: "gw-gauge", "aria-hidden": "true" }, range, aim, mark);
  }

  function loadSection(grid, meta) {
    const percent = meta.target ? Math.round((100 * grid.households) / meta.target) : 0;
    return element(
      "section",
      { class: "gw-load" },
      element(
        "p",
        {},
        element("strong", { text: plural(grid.households, "household", "households") }),
        ` · ${percent} % of the target of ${number(meta.target)}`,
      ),
      gauge(grid, meta),
    );
  }

  function flagSection(grid) {
    const flags = Gridward.flags(grid);
    if (!flags.length) return null;
    const line = (flag) => {
      const words = grid.reason && flags.length === 1 ? grid.reason : Gridward.FLAGS[flag];
      return element("li", {}, element("strong", { text: label(flag) }), words ? `: ${words}` : "");
    };
    const reason = grid.reason && flags.length > 1 ? element("li", { class: "gw-quiet", text: grid.reason }) : null;
    return element("ul", { class: "gw-flags" }, ...flags.map(line), ...(reason ? [reason] : []));
  }

  function personLine({ id, name, distance: metres }) {
    return element(
      "li",
      { title: id },
      element("span", { text: name }),
      metres === null || metres === undefined ? null : element("span", { class: "gw-quiet", text: distance(metres) }),
    );
  }

  function vacancyLine({ missing, reason }) {
    return element(
      "li",
      { class: "gw-vacant" },
      element("strong", { text: plural(missing, "vacancy", "vacancies") }),
      reason ? element("span", { class: "gw-reason", text: reason }) : null,
    );
  }

  function teamSection(team) {
    if (!team.length) return element("p", { class: "gw-quiet", text: "No posts have been planned for this grid." });
    const rows = team.map((post) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", text: label(post.role) }),
        element(
          "td",
          {},
          element("ul", {}, ...post.members.map(personLine), post.missing ? vacancyLine(post) : null),
        ),
      ),
    );
    const missing = team.reduce((sum, post) => sum + post.missing, 0);
    const filled = team.reduce((sum, post) => sum + post.members.length, 0);
    const caption = `Service team: ${filled} of ${plural(filled + missing, "post", "posts")} filled`;
    return element("table", { class: "gw-team" }, element("caption", { text: caption }), element("tbody", {}, ...rows));
  }

  Gridward.gridDetails = function gridDetails(grid, meta, hasTeam) {
    const place = grid.community ? `${grid.community} (${grid.communityCode})` : grid.communityCode;
    return element(
      "article",
      { class: "gw-details" },
      heading(`Grid ${grid.code}`, place),
      loadSection(grid, meta),
      flagSection(grid),
      hasTeam ? teamSection(grid.team) : null,
    );
  };

  const gridButton = (code, open) =>
    element("button", { type: "button", class: "gw-link", text: `Grid ${code}`, onclick: () => open(code) });

  Gridward.placeDetails = function placeDetails(place, open) {
    const shown = place.addresses.slice(0, MANY);
    const rest = place.addresses.length - shown.length;
    return element(
      "article",
      { class: "gw-details" },
      heading(plural(place.households, "household", "households"), place.addresses.length > 1 ? "at one place" : ""),
      element(
        "ul",
        { class: "gw-addresses" },
        ...shown.map(({ address, households }) =>
          element("li", {}, address || "Address not given", households > 1 ? element("span", { class: "gw-quiet", text: number(households) }) : null),
        ),
        rest > 0 ? element("li", { class: "gw-quiet", text: `and ${plural(rest, "more address", "more addresses")}` }) : null,
      ),
      place.grid ? element("p", {}, gridButton(place.grid, open)) : element("p", { class: "gw-vacant", text: "In no grid" }),
    );
  };

  Gridward.memberDetails = function memberDetails(member, open) {
    const post = ({ role, grid }) => element("li", {}, `${label(role)}: `, gridButton(grid, open));
    return element(
      "article",
      { class: "gw-details" },
      heading(member.name || member.id, member.name ? member.id : ""),
      element("p", { text: `May serve as ${member.roles.map(label).join(", ").toLowerCase() || "nothing"}` }),
      member.posts.length
        ? element("ul", { class: "gw-posts" }, ...member.posts.map(post))
        : element("p", { class: "gw-quiet", text: "Holds no post" }),
    );
  };

  Gridward.facilityDetails = ({ name, kind }) =>
    element("article", { class: "gw-details" }, heading(name || label(kind || "facility"), name && kind ? label(kind) : ""));

  /** From afar a division stands for its grids: their number and what one of them holds. */
  const divisionHint = ({ community, code, grids }, words) =>
    element(
      "div",
      { class: "gw-tip" },
      element("strong", { text: community || code }),
      element("span", { text: plural(grids, "grid", "grids") }),
      element("span", { text: `on average ${words.join(" · ")}` }),
    );

  Gridward.gridHint = function gridHint(grid) {
    const words = [plural(grid.households, "household", "households")];
    if (grid.missing !== null) words.push(grid.missing ? plural(grid.missing, "vacancy", "vacancies") : "fully staffed");
    if (grid.grids) return divisionHint(grid, words);
    return element(
      "div",
      { class: "gw-tip" },
      element("strong", { text: grid.code }),
      grid.community ? element("span", { text: grid.community }) : null,
      element("span", { text: words.join(" · ") }),
    );
  };
})();
