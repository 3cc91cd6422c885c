"use strict";

const place = document.getElementById("api");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  // one line a group: all operations at once are longer than anyone reads
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  // the validator badge would ask another host
  validatorUrl: null,
});
