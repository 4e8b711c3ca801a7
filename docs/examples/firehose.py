import json
from pathlib import Path

from latchkey import send

NOTED = Path("firehose.cursor")


def take(event):
    row = event["data"]
    print(event["type"], row["transaction_id"], row.get("status", ""), row["sub1"])


while True:
    cursor = NOTED.read_text() if NOTED.exists() else "beginning"
    with send("GET", "/affiliates/firehose", params={"cursor": cursor}, stream=True) as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            if "data" in event:
                take(event)
            elif event["type"] == "end":
                print("It ended:", event["reason"])
            # After take(): what was taken and not noted comes again, with the same id.
            NOTED.write_text(event["cursor"])
