import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { send } from "./latchkey.mjs";

const asked = { from: "2026-11-14", to: "2026-11-20", timezone_id: 67 };
const headers = { Accept: "application/x-ndjson" };
const answer = await send("POST", "/affiliates/reporting/clicks/stream", asked, headers);

for await (const line of createInterface({ input: Readable.fromWeb(answer.body) })) {
  const click = JSON.parse(line);
  if (click.error) throw new Error(click.error);
  console.log(click.unix_timestamp, click.transaction_id, click.sub1);
}
