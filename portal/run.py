"""``python -m portal.run``: all of Latchkey on one machine, started in order, stopped in reverse. This is `make run`.

``python -m portal.run issue_key --network`` runs that command of manage.py in the same environment, whether the rest is
running at the moment or not.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
from environs import Env

from portal.postgres import PROJECT, PostgresUnusable, Server

WEB_WORKERS = 2
# 16 for what is answered and done with, and 8 that Firehose streams may hold on to. The pool of each process has a
# connection for each, and for each export there may be: a thread never waits for one.
WEB_THREADS = 24
OLDEST_POSTGRES = 140000
ANSWER_SECONDS = 180
STOP_SECONDS = 10
LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"

# Made once per checkout. They are secrets of the demonstration, but secrets: whoever knows them can sign in.
GENERATED: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "KEY_ENCRYPTION_KEYS": lambda: "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "DEMO_PASSWORD": lambda: "-".join("".join(secrets.choice(LEGIBLE) for _ in range(4)) for _ in range(3)),
}


class CannotRun(Exception):
    """The message is one sentence for the person at the terminal."""


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or the machine is shutting down."""


class Interruption:
    """Remembers that we were asked to stop. A handler that raised could interrupt the stopping itself half-way."""

    def __init__(self) -> None:
        self._asked = False
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True

    def check(self) -> None:
        if self._asked:
            raise Stopped

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)
        self.check()


class Child:
    """A process of ours, in a session of its own: Ctrl-C at the terminal reaches us alone, and we keep the order."""

    def __init__(self, name: str, *command: str, output: IO[str] | None = None) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        # And whatever it has started that did not stop with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def main(arguments: list[str]) -> int:
    var = Path(os.environ.get("LATCHKEY_VAR") or PROJECT / "var").resolve()
    try:
        return manage(var, arguments) if arguments else run(var)
    except Stopped:
        return 0
    except (CannotRun, PostgresUnusable) as reason:
        say(str(reason), to=sys.stderr)
        return 1


def run(var: Path) -> int:
    interruption = Interruption()
    port = chosen_port()
    with contextlib.ExitStack() as running:
        if not running.enter_context(alone(var)):
            raise CannotRun("Latchkey runs from this checkout already; stop it with Ctrl-C in its terminal first.")
        check_port(port)
        prepare_environment(var)
        os.environ.setdefault("BASE_URL", f"http://localhost:{port}")
        server = embedded_server(var)
        if server is not None:
            say("Starting PostgreSQL …")
            running.callback(server.stop)
            server.start()
            server.ensure_database()
        check_database()

        say("Preparing the database …")
        finish(var, interruption, "migrate", "--no-input", "--verbosity=0")
        said = finish(var, interruption, "demo", "--if-empty")
        # It says something of a network that was invented just now, or in a run that was killed before its traffic was
        # there. Others get no invented traffic: a real one that has none yet must not.
        if said:
            say("Writing its last 60 days of traffic …")
            said += finish(var, interruption, "demo_traffic", "--if-none")
            said += finish(var, interruption, "demo_invoices")

        children: list[Child] = []
        for name, command in [
            ("The worker", ["manage.py", "worker"]),
            ("The web server", web_server(port)),
        ]:
            children.append(Child(name, *command))
            running.callback(children[-1].stop)
        wait_for_answer(port, children, interruption)

        say(said, end="")
        say(f"Latchkey runs at {os.environ['BASE_URL']}/sign-in/")
        say(f"The password of the demo accounts (sonia@latchkey.example and others) is in {var / 'dev.env'}")
        say("Ctrl-C stops everything.")
        try:
            while True:
                check_alive(children)
                if server is not None and server.pid is None:
                    raise CannotRun(f"PostgreSQL has stopped by itself; its log is {server.log}.")
                interruption.pause(0.2)
        finally:
            say("\nStopping …")


def manage(var: Path, arguments: list[str]) -> int:
    with contextlib.ExitStack() as running:
        ours = running.enter_context(alone(var))
        prepare_environment(var)
        server = embedded_server(var)
        if server is not None:
            if ours:
                running.callback(server.stop)
            server.start()
            server.ensure_database()
        check_database()
        return subprocess.run([sys.executable, "manage.py", *arguments], cwd=PROJECT, check=False).returncode


def web_server(port: int) -> list[str]:
    command = ["-m", "granian", "--interface=wsgi", "--no-ws", "--log-level=error", "--host=127.0.0.1"]
    command += [f"--port={port}", f"--workers={WEB_WORKERS}", f"--blocking-threads={WEB_THREADS}"]
    # Without it one worker that the system kills, for want of memory say, takes all others with it.
    command += ["--respawn-failed-workers", "--respawn-interval=0.5"]
    return [*command, "portal.wsgi:application"]


def chosen_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise CannotRun(f"PORT is {text!r} and should be a number from 1 to 65535.")
    return int(text)


def check_port(port: int) -> None:
    # The web server shares its port among its workers, and so would share it with a stranger without noticing.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except PermissionError:
            raise CannotRun(f"Port {port} needs an administrator; run `make run PORT=8000`.") from None
        except OSError:
            other = port + 1 if port < 65535 else 8000
            raise CannotRun(f"Port {port} is taken; run `make run PORT={other}`.") from None


@contextlib.contextmanager
def alone(var: Path) -> Iterator[bool]:
    """Whether we are the one who runs Latchkey from this checkout; we stay so until the end of the block. The lock goes
    with its process, however that ends."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        lock = (var / "run.lock").open("a")
    except OSError as reason:
        raise CannotRun(f"{var} cannot be written ({reason.strerror}); Latchkey keeps its data there.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def prepare_environment(var: Path) -> None:
    """What the environment and .env leave open is as for development, and secret where it must be."""
    Env().read_env(str(PROJECT / ".env"), recurse=False)
    os.environ.setdefault("DEBUG", "1")
    path = var / "dev.env"
    kept = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line) if path.exists() else {}
    made = {name: make() for name, make in GENERATED.items() if name not in kept}
    if made:
        # Written beside and renamed: half a file would lose an encryption key for good.
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines(f"{name}={value}\n" for name, value in {**kept, **made}.items())
        fresh.rename(path)
    for name, value in {**kept, **made}.items():
        os.environ.setdefault(name, value)


def embedded_server(var: Path) -> Server | None:
    """Ours, not started yet; None when DATABASE_URL names another."""
    if os.environ.get("DATABASE_URL"):
        return None
    server = Server(var / "postgres")
    os.environ["DATABASE_URL"] = server.url()
    return server


def check_database() -> None:
    found = Env().dj_db_url("DATABASE_URL")
    place = f"{found.get('HOST') or 'this machine'}:{found.get('PORT') or 5432}"
    given: dict[str, Any] = {
        "host": found.get("HOST"),
        "port": found.get("PORT"),
        "user": found.get("USER"),
        "password": found.get("PASSWORD"),
        "dbname": found.get("NAME"),
        **found.get("OPTIONS", {}),
    }
    try:
        with psycopg.connect(**{k: v for k, v in given.items() if v}, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as reason:
        # The reason of PostgreSQL ends the first line; what precedes it repeats the address.
        line = (str(reason).strip().splitlines() or ["no answer"])[0].rsplit(": ", 1)[-1]
        raise CannotRun(f"The database at {place} cannot be used ({line}); check DATABASE_URL.") from None
    if version < OLDEST_POSTGRES:
        raise CannotRun(f"The database at {place} is PostgreSQL {version // 10000}, and Latchkey needs 14 or newer.")


def finish(var: Path, interruption: Interruption, *command: str) -> str:
    """Run a command of manage.py to its end, and return what it said.

    :raises CannotRun: when it fails; what it said is then in a log, because all but its last line is a stack trace.
    """
    with tempfile.TemporaryFile("w+", dir=var) as output:
        child = Child(f"manage.py {command[0]}", "manage.py", *command, output=output)
        try:
            while child.exit_code is None:
                interruption.pause(0.05)
        finally:
            code = child.exit_code
            child.stop()
        output.seek(0)
        said = output.read()
    if code:
        log = var / f"{command[0]}.log"
        log.write_text(said)
        line = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise CannotRun(f"`{child.name}` failed ({line}); all that it said is in {log}.")
    return said


def wait_for_answer(port: int, children: list[Child], interruption: Interruption) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        check_alive(children)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/sign-in/")
            connection.getresponse()
            return
        interruption.pause(0.1)
    raise CannotRun(f"The web server did not answer within {ANSWER_SECONDS} seconds.")


def check_alive(children: list[Child]) -> None:
    for child in children:
        if child.exit_code is not None:
            raise CannotRun(f"{child.name} has stopped by itself (exit code {child.exit_code}).")


def say(text: str, *, end: str = "\n", to: IO[str] | None = None) -> None:
    # A closed terminal must not keep us from stopping what we started.
    with contextlib.suppress(OSError):
        print(text, end=end, file=to, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
