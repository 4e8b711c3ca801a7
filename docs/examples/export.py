from latchkey import send

asked = {
    "from": "2026-11-01",
    "to": "2026-11-20",
    "show_conversions": True,
    "show_events": True,
    "format": "csv",
}
with send("POST", "/affiliates/reporting/conversions/export", json=asked, stream=True) as answer:
    last = b""
    with open("conversions.csv", "wb") as file:
        for line in answer.iter_lines(chunk_size=65_536):
            last = line
            file.write(line + b"\n")
if last.startswith(b'"INCOMPLETE'):
    raise RuntimeError(last.decode())
