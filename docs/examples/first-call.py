import os

import requests

answer = requests.get(
    "https://latchkey.example/v1/affiliates/affiliate",
    headers={"Authorization": f"Bearer {os.environ['LATCHKEY_KEY']}", "Accept": "application/json"},
    timeout=30,
)
answer.raise_for_status()
print(answer.json()["name"])
