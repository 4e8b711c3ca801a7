import os
import time

import requests

BASE = "https://latchkey.example/v1"

api = requests.Session()
api.headers["Authorization"] = f"Bearer {os.environ['LATCHKEY_KEY']}"
api.headers["Accept"] = "application/json"


def send(method, path, **more):
    """The answer. While a limit is spent or the service is away, it waits and asks again."""
    for attempt in range(6):
        answer = api.request(method, BASE + path, timeout=60, **more)
        if answer.status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        elif answer.status_code == 503:
            time.sleep(2**attempt)
        elif answer.ok:
            return answer
        else:
            number = answer.headers["X-Request-ID"]
            raise RuntimeError(f"{answer.status_code}: {answer.json()['error']} (request {number})")
    raise RuntimeError(f"{method} {path} had no answer after 6 attempts")


def ask(method, path, body=None):
    return send(method, path, json=body).json()
