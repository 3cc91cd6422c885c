"use strict";
// The grids: one SVG path each, shaded by load or by vacancies, hatched where flagged.
(() => {
  const HATCH = "gridward-hatch";

  /** A hatch pattern in the pane's own <svg>. */
  function addHatch(renderer) {
    const svg = (tag, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      return node;
    };
    const pattern = svg("pattern", { id: HATCH, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    pattern.append(svg("line", { x1: 0, y1: 0, x2: 0, y2: 7, stroke: "#1d2733", "stroke-width": 1.6, "stroke-opacity": 0.7 }));
    const defs = svg("defs", {});
    defs.append(pattern);
    renderer._container.prepend(defs);
  }

  Gridward.isOut = (grid, meta) => grid.households < meta.minimum || grid.households > meta.maximum;

  /**
   * @param map the Leaflet map, with the panes "grids" and "marks"
   * @param meta target, minimum, maximum
   * @param onOpen called with the code of a grid that was clicked or entered
   */
  Gridward.GridLayer = class GridLayer {
    constructor(map, meta, onOpen) {
      Object.assign(this, { map, meta, onOpen, scale: null, shapes: new Map(), order: [] });
      this.renderer = L.svg({ pane: "grids", padding: 0.5 });
      this.marksRenderer = L.svg({ pane: "marks", padding: 0.5 });
      this.shapesGroup = L.featureGroup([], { pane: "grids" }).addTo(map);
      this.marks = L.featureGroup([], { pane: "marks" }).addTo(map);
    }

    /** A grid shows its details; a division, which stands for many, comes nearer. */
    open(shape, latlng) {
      if (shape.grid.grids) this.map.fitBounds(shape.getBounds());
      else this.onOpen(shape.grid.code, latlng);
    }

    /** Draws these grids and no others; those that stay keep their shape (and an open popup). */
    show(grids) {
      if (grids === this.shown) return;
      this.shown = grids;
      const wanted = new Set(grids.map(({ code }) => code));
      for (const [code, shape] of this.shapes) {
        if (!wanted.has(code)) this.remove(code, shape);
      }
      for (const grid of grids) {
        const shape = this.shapes.get(grid.code);
        if (shape) this.replace(shape, grid);
        else this.add(grid);
      }
      this.order = [...this.shapes.keys()].sort();
      this.tabStop(this.current ?? this.order[0]);
      this.restyle();
    }

    add(grid) {
      const shape = L.polygon(grid.polygons, {
        renderer: this.renderer,
        pane: "grids",
        className: "gw-grid",
        color: "#33404e",
        weight: 1,
        opacity: 0.8,
        fillOpacity: 0.78,
        smoothFactor: 0.5,
      });
      shape.grid = grid;
      shape.bindTooltip(() => Gridward.gridHint(shape.grid), { sticky: true, opacity: 1, className: "gw-tooltip" });
      shape.on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        shape.closeTooltip();
        this.open(shape, event.latlng);
      });
      shape.addTo(this.shapesGroup);
      this.describe(shape);
      this.shapes.set(grid.code, shape);
      this.mark(grid, shape);
      if (grid.code === this.chosen) this.choose(grid.code);
    }

    /** The same grid again: finer lines after zooming in, or other figures. */
    replace(shape, grid) {
      shape.grid = grid;
      shape.setLatLngs(grid.polygons);
      shape.marking?.setLatLngs(grid.polygons);
    }

    remove(code, shape) {
      shape.remove();
      this.shapesGroup.removeLayer(shape);
      if (shape.marking) this.marks.removeLayer(shape.marking);
      this.shapes.delete(code);
    }

    mark(grid, shape) {
      if (grid.grids) return;
      const flagged = Gridward.flags(grid).length > 0;
      if (!flagged && !Gridward.isOut(grid, this.meta)) return;
      shape.marking = L.polygon(grid.polygons, {
        renderer: this.marksRenderer,
        pane: "marks",
        interactive: false,
        className: "gw-mark",
        color: "#1d2733",
        weight: 2,
        dashArray: "5 4",
        fillColor: `url(#${HATCH})`,
        fill: flagged,
        fillOpacity: 1,
      }).addTo(this.marks);
      if (!document.getElementById(HATCH)) addHatch(this.marksRenderer);
    }

    /** What a screen reader says, and the keys: Enter opens, left and right go to the next grid. */
    describe(shape) {
      const { grid } = shape;
      const path = shape.getElement();
      path.setAttribute("role", "button");
      path.setAttribute("tabindex", "-1");
      path.setAttribute("aria-label", `${grid.grids ? "Division" : "Grid"} ${grid.code}, ${grid.community}, ${Gridward.plural(grid.households, "household", "households")}`);
      path.dataset.code = grid.code;
      path.addEventListener("focus", () => this.tabStop(grid.code));
      path.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (event.key === "Enter" || event.key === " ") this.open(shape);
        else if (step) this.focusNext(grid.code, step);
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
    }

    tabStop(code) {
      this.shapes.get(this.current)?.getElement()?.setAttribute("tabindex", "-1");
      this.current = this.shapes.has(code) ? code : this.order[0];
      this.shapes.get(this.current)?.getElement()?.setAttribute("tabindex", "0");
    }

    focusNext(code, step) {
      const at = (this.order.indexOf(code) + step + this.order.length) % this.order.length;
      const shape = this.shapes.get(this.order[at]);
      if (!this.map.getBounds().intersects(shape.getBounds())) this.map.panTo(shape.getBounds().getCenter());
      shape.getElement().focus({ preventScroll: true });
    }

    shade(scale) {
      this.scale = scale;
      this.restyle();
    }

    restyle() {
      if (!this.scale) return;
      for (const shape of this.shapes.values()) {
        shape.setStyle({ fillColor: Gridward.colourOf(this.scale, shape.grid) });
      }
    }

    /** Marks one grid as the chosen one, or none. */
    choose(code) {
      this.shapes.get(this.chosen)?.setStyle({ weight: 1, color: "#33404e", opacity: 0.8 });
      this.chosen = code;
      const shape = this.shapes.get(code);
      shape?.setStyle({ weight: 3.5, color: "#111a24", opacity: 1 }).bringToFront();
    }

    get grids() {
      return [...this.shapes.values()].map(({ grid }) => grid);
    }
  };
})();
