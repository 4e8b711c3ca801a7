from __future__ import annotations

import subprocess
import sys

# Its main thread waits outside of Python's reach, as that of a web server does.
PROGRAM = """
import os, signal, threading
from portal.web.stopping import Stopping
stopping = Stopping()
stopping.watch()
signal.signal(signal.SIGTERM, lambda number, frame: None)
print(stopping.nap(0))
woken = []
naps = [threading.Thread(target=lambda: woken.append(stopping.nap(600))) for _ in range(2)]
for nap in naps:
    nap.start()
os.kill(os.getpid(), signal.SIGTERM)
for nap in naps:
    nap.join()
print(*woken, stopping.nap(600))
"""


def test_a_signal_wakes_everybody_who_naps_and_whoever_does_later() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True)

    assert done.stdout.split() == ["False", "True", "True", "True"]


def test_without_a_web_server_a_nap_is_a_nap() -> None:
    program = "from portal.web.stopping import Stopping; print(Stopping().nap(0.01))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)

    assert done.stdout.split() == ["False"]
