// The choice lives in a cookie, so that the server renders the page in it and nothing flashes.
const root = document.documentElement;

function showChoice() {
  const chosen = root.dataset.theme ?? "system";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (!choice) return;
  if (choice === "system") {
    delete root.dataset.theme;
    document.cookie = "theme=; path=/; max-age=0; samesite=lax";
  } else {
    root.dataset.theme = choice;
    document.cookie = `theme=${choice}; path=/; max-age=31536000; samesite=lax`;
  }
  showChoice();
});

showChoice();
