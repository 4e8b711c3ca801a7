// data-copy-from="#id" copies that element's text; data-copy-url="…" copies what a POST there answers, unseen.
function say(toast) {
  const value = [{ level: "error", ...toast }];
  document.dispatchEvent(new CustomEvent("toast", { detail: { value } }));
}

async function fetchText(url) {
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"));
  const response = await fetch(url, {
    method: "POST",
    headers: { ...csrf, Accept: "text/plain", "HX-Request": "true" },
  });
  const elsewhere = response.headers.get("HX-Redirect");
  if (elsewhere) location.assign(elsewhere);
  if (response.status === 200) return response.text();
  const said = JSON.parse(response.headers.get("HX-Trigger") ?? "{}").toast;
  throw Object.assign(new Error("refused"), { toast: elsewhere ? [] : said });
}

async function write(text) {
  // A promise inside the item keeps the click's permission while the text is fetched.
  const blob = Promise.resolve(text).then((plain) => new Blob([plain], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-from], [data-copy-url]");
  if (!button || button.dataset.state) return;
  const { copyFrom, copyUrl } = button.dataset;
  if (!navigator.clipboard) {
    // Asked before the text is, since a server records that it was given out.
    say({ title: "Not copied", text: "The browser offers no clipboard on this address. Select the text by hand." });
    return;
  }
  const label = button.querySelector("[data-copy-label]");
  const before = label.textContent;
  const text = copyUrl ? fetchText(copyUrl) : document.querySelector(copyFrom).textContent.trim();
  try {
    await write(text);
    await text;
    button.dataset.state = "copied";
    label.textContent = "Copied";
    setTimeout(() => {
      delete button.dataset.state;
      label.textContent = before;
    }, 2000);
  } catch {
    const refusal = await Promise.resolve(text).then(() => null, (error) => error);
    const why = refusal ? "The server did not give the text. Try again." : "The browser did not allow it.";
    for (const toast of refusal?.toast ?? [{ title: "Not copied", text: why }]) say(toast);
  }
});
