"""Knowing in any thread that the web server is being stopped: answers that would go on for ever have to end then."""

from __future__ import annotations

import os
import select
import signal
import threading
import time


class Stopping:
    """Whether this process has been asked to stop.

    A handler in Python runs in the main thread alone, which the web server keeps busy outside of Python. What writes to
    a pipe at once, whatever that thread is doing, is the interpreter's own handler; the pipe is never read, so it wakes
    everybody who waits at it, and for good.
    """

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None

    def watch(self) -> None:
        """To be called by what a web server imports, in the main thread; elsewhere it does nothing."""
        if self._pipe is None and threading.current_thread() is threading.main_thread():
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)

    def nap(self, seconds: float) -> bool:
        """Waits so long. True, and at once, when the process has been asked to stop."""
        if self._pipe is None:
            time.sleep(seconds)
            return False
        asked = select.poll()
        asked.register(self._pipe[0], select.POLLIN)
        return bool(asked.poll(seconds * 1000))


stopping = Stopping()
