import { ask } from "./latchkey.mjs";

// Every entry of a list, a page at a time.
async function* every(path, name) {
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const answer = await ask("GET", `${path}?page=${page}&page_size=500`);
    yield* answer[name];
    pages = Math.ceil(answer.paging.total_count / answer.paging.page_size);
  }
}

for await (const offer of every("/affiliates/offersrunnable", "offers")) {
  console.log(offer.network_offer_id, offer.name);
}
