// Light and dark colors: what the system prefers, until the button is pressed.

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** Start the button `#theme`; `changed` is called when the colors are others, and now. */
function startTheme(changed = () => {}) {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const show = () => {
    byId("theme").textContent = isDark() ? "☀ Light" : "☾ Dark";
    byId("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colors`);
    changed();
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  prefersDark.addEventListener("change", show);
  show();
}
