"use strict";
// A map of the features on the page, in place of the drawing. It asks this host alone, and writes
// what it is told as text, never as markup.

const place = document.getElementById("features-map");

function label(feature) {
  const text = document.createElement("span");
  const names = ["name", "reference", "address"].map((name) => feature.properties[name]);
  const named = names.find((value) => typeof value === "string" && value);
  text.textContent = named ? `${feature.id}: ${named}` : String(feature.id);
  return text;
}

function draw(found) {
  const style = getComputedStyle(document.documentElement);
  const colour = style.getPropertyValue("--accent").trim();
  const items = place.dataset.items;
  const layer = L.geoJSON(found, {
    style: { color: colour, weight: 1.5, fillOpacity: 0.18 },
    pointToLayer: (_, latlng) => L.circleMarker(latlng, { radius: 5, fillOpacity: 0.7 }),
    onEachFeature: (feature, shape) => {
      shape.bindTooltip(label(feature), { sticky: true });
      if (items) {
        shape.on("click", () => {
          window.location.assign(`${items}/${encodeURIComponent(feature.id)}?f=html`);
        });
      }
    },
  });
  const bounds = layer.getBounds();
  if (!bounds.isValid()) {
    return;
  }
  document.querySelector(".sketch")?.remove();
  place.hidden = false;
  const map = L.map(place, { attributionControl: false, maxZoom: 20, preferCanvas: true });
  map.fitBounds(bounds, { padding: [12, 12], maxZoom: 18, animate: false });
  layer.addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  place.dataset.drawn = String(layer.getLayers().length);
}

const source = new URL(place.dataset.source);
source.searchParams.delete("crs"); // a map wants degrees
fetch(source, { headers: { Accept: "application/geo+json" } })
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
  .then(draw)
  .catch(() => {}); // the drawing stays
