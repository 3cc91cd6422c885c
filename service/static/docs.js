"use strict";

const place = document.getElementById("api");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // the validator badge would ask another host
  validatorUrl: null,
});
