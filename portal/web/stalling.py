"""Ending connections whose clients neither take what they are sent nor leave.

A stream has its thread, its place and perhaps a connection to the database until its client has taken it. The web
server waits for that outside of Python, without a limit, and tells nobody which socket it waits for. But the sockets
are this process's, and the kernel can end the wait: TCP_USER_TIMEOUT breaks off a connection whose other side has
confirmed nothing of what was sent, or had no room for any of it, for so long. The server then finds that nobody listens
any more, and closes the stream as it does for clients that leave.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from portal.web.precedence import Application

# As long as a proxy waits by itself (send_timeout of nginx). What the sockets' buffers hold counts as taken.
TAKES_WITHIN_SECONDS = 60
DESCRIPTORS = Path("/proc/self/fd")


def ending_stalled(application: Application) -> Application:
    """The application, with a limit to how long its streams wait for a client. Only Linux has one."""
    if sys.platform != "linux":
        return application

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = application(environ, start_response)
        # Anything else is with the web server as a whole, and holds nothing.
        if getattr(response, "streaming", False):
            limit(int(environ["SERVER_PORT"]))
        return response

    return answer


def limit(port: int) -> None:
    """For all connections of this process to the port, and, because they have it from the socket that listens, for all
    that are to come. The web server makes that one after the application, so it is looked for when it is needed."""
    for own in sockets():
        if own.family in (socket.AF_INET, socket.AF_INET6) and own.getsockname()[1] == port:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKES_WITHIN_SECONDS * 1000)


def sockets() -> Iterator[socket.socket]:
    """Those of this process, each as a copy that is closed after its turn: the server may close its own meanwhile."""
    for descriptor in DESCRIPTORS.iterdir():
        try:
            copy = os.dup(int(descriptor.name))
        except OSError:
            continue
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        with socket.socket(fileno=copy) as found:
            yield found
