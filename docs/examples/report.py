from datetime import date, timedelta

from latchkey import ask

today = date.today()
report = ask(
    "POST",
    "/affiliates/reporting/entity/table",
    {
        "from": (today - timedelta(days=29)).isoformat(),
        "to": today.isoformat(),
        "timezone_id": 80,
        "columns": [{"column": "offer"}, {"column": "date"}],
    },
)
for row in report["table"]:
    offer, day = row["columns"]
    figures = row["reporting"]
    print(day["label"], offer["label"], figures["total_click"], figures["cv"], figures["revenue"], sep="\t")
if report["incomplete_results"]:
    print("There are more than 10,000 rows: ask for fewer days or columns, or export.")
