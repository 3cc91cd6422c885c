"use strict";
// Controls: the heading with the search field, full screen, and the legend.
(() => {
  const { element, number, plural, label } = Gridward;

  function asControl(position, node) {
    const control = L.control({ position });
    control.onAdd = () => {
      L.DomEvent.disableClickPropagation(node);
      L.DomEvent.disableScrollPropagation(node);
      return node;
    };
    return control;
  }

  /** The search field with its list of answers; arrows choose, Enter goes there. */
  function searchField(source, onChoose) {
    const words = source.searches ?? (source.has.addresses ? "Grid code, community or address" : "Grid code or community");
    const list = element("ul", { class: "gw-answers", id: "gw-answers", role: "listbox", hidden: "" });
    const input = element("input", {
      type: "search",
      placeholder: words,
      "aria-label": `Search: ${words.toLowerCase()}`,
      role: "combobox",
      "aria-expanded": "false",
      "aria-controls": "gw-answers",
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });
    let answers = [];
    let at = -1;
    let turn = 0;
    let timer = 0;

    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
      at = -1;
    };
    const choose = (answer) => {
      if (!answer) return;
      input.value = answer.label;
      close();
      onChoose(answer);
    };
    const highlight = (next) => {
      at = answers.length ? (next + answers.length) % answers.length : -1;
      [...list.children].forEach((row, k) => row.setAttribute("aria-selected", String(k === at)));
      if (at >= 0) input.setAttribute("aria-activedescendant", `gw-answer-${at}`);
    };
    const draw = () => {
      const row = (answer, k) =>
        element(
          "li",
          { role: "option", id: `gw-answer-${k}`, "aria-selected": "false", onmousedown: (event) => event.preventDefault(), onclick: () => choose(answer) },
          element("span", { class: "gw-answer-label", text: answer.label }),
          answer.hint ? element("span", { class: "gw-quiet", text: answer.hint }) : null,
        );
      list.replaceChildren(...(answers.length ? answers.map(row) : [element("li", { class: "gw-quiet gw-none", text: "Nothing found" })]));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      at = -1;
    };
    const ask = async () => {
      const mine = (turn += 1);
      if (!input.value.trim()) return close();
      const found = await source.search(input.value);
      if (mine !== turn) return undefined;
      answers = found;
      return draw();
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 120);
    });
    input.addEventListener("keydown", async (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") highlight(at + (event.key === "ArrowDown" ? 1 : -1));
      else if (event.key === "Enter") {
        clearTimeout(timer);
        if (at < 0) await ask();
        choose(answers[Math.max(at, 0)]);
      } else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    input.addEventListener("blur", () => setTimeout(close, 150));
    return element("div", { class: "gw-search", role: "search" }, input, list);
  }

  /** Where a service holds several data sets: a list to go from one to another. */
  function dataSetChoice({ choices, chosen }) {
    if (!choices || choices.length < 2) return null;
    const option = ({ id, name }) => element("option", { value: id, text: name, selected: id === chosen ? "" : null });
    const go = (event) => location.assign(`?dataset=${event.target.value}`);
    return element("select", { class: "gw-choice", "aria-label": "Data set", onchange: go }, ...choices.map(option));
  }

  Gridward.headingControl = function headingControl(meta, source, onChoose) {
    const { communities, grids, households, vacancies } = source.totals;
    const facts = [plural(communities, "community", "communities"), plural(grids, "grid", "grids")];
    if (households !== null) facts.push(plural(households, "household", "households"));
    if (vacancies !== null && vacancies !== undefined) facts.push(plural(vacancies, "vacant post", "vacant posts"));
    facts.push(...(source.totals.more ?? []));
    const status = element("p", { class: "gw-status", role: "status", hidden: "" });
    const control = asControl(
      "topleft",
      element(
        "div",
        { class: "gw-card gw-heading" },
        element("h1", { text: meta.title }),
        element("p", { class: "gw-hint", text: facts.join(" · ") }),
        meta.note ? element("p", { text: meta.note }) : null,
        dataSetChoice(meta),
        searchField(source, onChoose),
        status,
      ),
    );
    control.say = (words) => {
      status.textContent = words;
      status.hidden = !words;
    };
    return control;
  };

  Gridward.fullScreenControl = function fullScreenControl(map) {
    const page = map.getContainer();
    const button = element("a", { href: "#", role: "button", class: "gw-fullscreen", title: "Full screen", "aria-label": "Full screen" });
    const toggle = (event) => {
      event.preventDefault();
      if (document.fullscreenElement) document.exitFullscreen();
      else page.requestFullscreen?.().catch(() => {});
    };
    button.addEventListener("click", toggle);
    button.addEventListener("keydown", (event) => event.key === " " && toggle(event));
    document.addEventListener("fullscreenchange", () => {
      const words = document.fullscreenElement ? "Leave full screen" : "Full screen";
      button.title = words;
      button.setAttribute("aria-label", words);
      button.classList.toggle("gw-on", Boolean(document.fullscreenElement));
      map.invalidateSize();
    });
    return asControl("topleft", element("div", { class: "leaflet-bar" }, button));
  };

  const swatch = (kind, colour) => {
    const node = element("span", { class: `gw-swatch ${kind}` });
    if (colour) node.style.setProperty("--colour", colour);
    return node;
  };

  const legendRow = (mark, words, count) =>
    element("li", {}, mark, element("span", { text: words }), count === undefined ? null : element("span", { class: "gw-count", text: number(count) }));

  function scaleRows(scale, grids) {
    const rows = scale.classes.map((step) => ({
      within: step.within,
      row: legendRow(swatch("gw-fill", step.colour), step.label, grids.filter(step.holds).length),
    }));
    if (!scale.within) return [element("ul", {}, ...rows.map(({ row }) => row))];
    const parts = [];
    for (const within of [false, true]) {
      const chosen = rows.filter((step) => Boolean(step.within) === within);
      parts.push(chosen);
    }
    const [[under, over], inside] = parts;
    return [
      element("ul", {}, under.row),
      element("div", { class: "gw-within" }, element("ul", {}, ...inside.map(({ row }) => row)), element("span", { text: scale.within })),
      element("ul", {}, over.row),
    ];
  }

  function markRows(grids, meta) {
    const counts = new Map();
    for (const grid of grids) {
      for (const flag of Gridward.flags(grid)) counts.set(flag, (counts.get(flag) ?? 0) + 1);
    }
    const rows = [...counts].sort().map(([flag, count]) => legendRow(swatch("gw-hatched"), label(flag), count));
    const out = grids.filter((grid) => !grid.grids && Gridward.isOut(grid, meta) && !Gridward.flags(grid).length).length;
    if (out) rows.push(legendRow(swatch("gw-dashed"), "Out of range, not flagged", out));
    return rows;
  }

  function pointRows(shown, more, colours) {
    const rows = [];
    if (shown.has("households")) {
      rows.push(legendRow(swatch("gw-cluster-key"), "Households, together"), legendRow(swatch("gw-tower-key"), "Households on one point"));
    }
    if (shown.has("members")) {
      for (const [role, colour] of colours) rows.push(legendRow(swatch("gw-round", colour), label(role)));
      rows.push(legendRow(swatch("gw-hollow"), "Holds no post"));
    }
    if (shown.has("facilities")) rows.push(legendRow(swatch("gw-square"), "Facility"));
    for (const layer of more) rows.push(legendRow(swatch("gw-none"), `${label(layer)}: too many here, zoom in`));
    if (shown.has("communities")) rows.push(legendRow(swatch("gw-outline"), "Community boundary"));
    return rows;
  }

  /** The legend follows what is shown; on a small screen it starts folded. */
  Gridward.legendControl = function legendControl(meta, colours) {
    const body = element("div", { class: "gw-legend-body" });
    const node = element("details", { class: "gw-card gw-legend" }, element("summary", { text: "Legend" }), body);
    node.open = window.innerWidth > 640;
    const section = (title, note, ...content) =>
      element("section", {}, element("h2", {}, title, note ? element("span", { class: "gw-quiet", text: note }) : null), ...content);
    const control = asControl("bottomright", node);
    control.update = (scale, grids, shown, more) => {
      const afar = grids.some((grid) => grid.grids);
      const parts = [section(scale.title, afar ? "mean by division" : scale.note, ...scaleRows(scale, grids))];
      const marks = markRows(grids, meta);
      if (marks.length) parts.push(section("Exceptions", "", element("ul", {}, ...marks)));
      const points = pointRows(shown, more, colours);
      if (points.length) parts.push(section("Also shown", "", element("ul", {}, ...points)));
      body.replaceChildren(...parts);
    };
    control.add = (title, ...content) => body.prepend(section(title, "", ...content));
    return control;
  };
})();
