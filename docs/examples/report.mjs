import { ask } from "./latchkey.mjs";

const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);

const report = await ask("POST", "/affiliates/reporting/entity/table", {
  from: day(29),
  to: day(0),
  timezone_id: 80,
  columns: [{ column: "offer" }, { column: "date" }],
});
for (const { columns: [offer, date], reporting } of report.table) {
  console.log(date.label, offer.label, reporting.total_click, reporting.cv, reporting.revenue);
}
if (report.incomplete_results) {
  console.log("There are more than 10,000 rows: ask for fewer days or columns, or export.");
}
