// The list of operations is Swagger UI's. It has colors for light and dark, but only by a class that we set.
const root = document.documentElement;
const place = document.getElementById("reference");
const dark = matchMedia("(prefers-color-scheme: dark)");

function follow() {
  const theme = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  root.classList.toggle("dark-mode", theme === "dark");
}

dark.addEventListener("change", follow);
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
follow();

SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  // Its links to single operations would stand inside of buttons, which nobody can use by keyboard or by ear.
  deepLinking: false,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  // A key is kept in this page's memory and nowhere else.
  persistAuthorization: false,
  // The document is not to be sent to anybody's validator.
  validatorUrl: null,
  requestInterceptor(request) {
    // A call carries a key and no cookie, here as everywhere; and errors are wanted as data.
    request.credentials = "omit";
    request.headers.Accept ??= "application/json";
    return request;
  },
});
