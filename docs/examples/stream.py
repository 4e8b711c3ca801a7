import json

from latchkey import send

asked = {"from": "2026-11-14", "to": "2026-11-20", "timezone_id": 67}
headers = {"Accept": "application/x-ndjson"}
with send("POST", "/affiliates/reporting/clicks/stream", json=asked, headers=headers, stream=True) as answer:
    for line in answer.iter_lines(chunk_size=65_536):
        click = json.loads(line)
        if "error" in click:
            raise RuntimeError(click["error"])
        print(click["unix_timestamp"], click["transaction_id"], click["sub1"])
