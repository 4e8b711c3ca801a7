// data-copy-from="#id" copies that element's text; data-copy-url="…" copies what a POST there answers, unseen.
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
  if (!navigator.clipboard) throw new Error("The browser offers no clipboard here.");
  // A promise inside the item keeps the click's permission while the text is fetched.
  const blob = Promise.resolve(text).then((plain) => new Blob([plain], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-from], [data-copy-url]");
  if (!button || button.dataset.state) return;
  const { copyFrom, copyUrl } = button.dataset;
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
    const value = refusal?.toast ?? [{ level: "error", title: "Not copied", text: refusal ? "The server did not give the text. Try again." : "The browser did not allow it. Show the text and copy it by hand." }];
    document.dispatchEvent(new CustomEvent("toast", { detail: { value } }));
  }
});
