from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from portal import postgres
from portal.postgres import DISPOSABLE, PROJECT, PostgresUnusable, Server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: pytest closes it to everybody else, and as root the server is somebody else.
    (PROJECT / "var").mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="test-", dir=PROJECT / "var"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder / "postgres", settings=DISPOSABLE)
    yield server
    server.stop()


def ask(server: Server, question: str) -> object:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def test_a_killed_server_comes_back_with_everything_it_had_committed(server: Server) -> None:
    server.start()
    server.ensure_database()
    server.ensure_database()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create table kept as select 7 as number")

    server.kill()
    assert server.pid is None
    assert (server.data_dir / "postmaster.pid").exists()
    server.start()

    assert ask(server, "select number from kept") == 7
    server.restart()
    assert ask(server, "select number from kept") == 7


def test_a_pid_file_that_names_a_stranger_does_not_keep_the_server_from_starting(server: Server) -> None:
    server.start()
    server.kill()
    stale = (server.data_dir / "postmaster.pid").read_text().split("\n", 1)[1]
    (server.data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{stale}")

    server.start()

    assert server.pid not in (None, os.getpid())


def test_a_lock_of_its_socket_that_names_a_stranger_does_not_keep_the_server_from_starting(
    server: Server, folder: Path
) -> None:
    server.start()
    server.kill()
    lock = Path(str(conninfo_to_dict(server.url())["host"])) / ".s.PGSQL.5432.lock"
    stale = lock.read_text().split("\n", 1)[1]
    # PostgreSQL believes in nobody who runs as somebody else.
    stranger = Server(folder / "stranger", settings=DISPOSABLE)
    stranger.start()
    lock.write_text(f"{stranger.pid}\n{stale}")

    try:
        server.start()
    finally:
        stranger.stop()

    assert server.pid is not None


def test_many_who_start_it_at_once_get_the_same_server(folder: Path) -> None:
    servers = [Server(folder / "postgres", settings=DISPOSABLE) for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Server.start, servers))

    assert len({server.pid for server in servers}) == 1
    # Stopped by whoever of them, it is stopped for all.
    servers[0].stop()
    assert [server.pid for server in servers] == [None] * 4
    for server in servers:
        server.stop()


def test_a_server_left_behind_by_a_killed_process_is_taken_over(server: Server) -> None:
    start_and_leave = "import os, sys; from pathlib import Path; from portal.postgres import start; "
    start_and_leave += "print(start(Path(sys.argv[1])).pid, flush=True); os.kill(os.getpid(), 9)"
    left = subprocess.run(
        [sys.executable, "-c", start_and_leave, str(server.data_dir)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    server.start()

    assert server.pid == int(left.stdout)


def test_nobody_else_gets_as_far_as_the_socket(server: Server) -> None:
    server.start()

    socket = server.data_dir / ".s.PGSQL.5432"
    assert socket.is_socket()
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.log.stat().st_mode) == 0o600
    assert ask_postgres(server, "show listen_addresses") == ""


def ask_postgres(server: Server, question: str) -> object:
    server.ensure_database()
    return ask(server, question)


@as_root
def test_another_user_of_the_machine_is_refused(server: Server) -> None:
    server.start()
    server.ensure_database()
    connect = "import sys, psycopg; psycopg.connect(sys.argv[1])"

    tried = subprocess.run(
        # The system's interpreter would do, had it psycopg; ours may lie where "nobody" cannot read.
        [sys.executable, "-c", f"import os, psycopg; os.setgid(65534); os.setuid(65534); {connect}", server.url()],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Permission denied" in tried.stderr


def test_a_path_too_long_for_a_socket_gets_one_that_is_just_as_closed(folder: Path) -> None:
    server = Server(folder / ("long" * 30) / "postgres", settings=DISPOSABLE)

    server.start()

    try:
        assert ask_postgres(server, "select 1") == 1
        socket_dir = Path(str(ask(server, "show unix_socket_directories")).strip('"'))
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    finally:
        server.stop()
    socket_dir.rmdir()


def test_a_socket_folder_that_others_may_enter_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    server = Server(folder / ("long" * 30) / "postgres")
    Path(server.url().split("@")[1].split("/")[0].replace("%2F", "/")).chmod(0o755)

    with pytest.raises(PostgresUnusable, match="only its owner may enter"):
        server.url()


@as_root
def test_root_is_told_about_a_private_folder_and_nothing_is_opened() -> None:
    private = Path(tempfile.mkdtemp(prefix="latchkey-private-"))
    inside = private / "checkout" / "var"
    inside.mkdir(parents=True)

    with pytest.raises(PostgresUnusable, match=f"^{private} is private.*DATABASE_URL"):
        Server(inside / "postgres").start()

    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert not (inside / "postgres").exists()
    shutil.rmtree(private)


@as_root
def test_a_private_folder_of_the_checkout_is_opened_for_passing_through_alone(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = Server(closed / "postgres", settings=DISPOSABLE)

    server.start()
    server.stop()

    assert stat.S_IMODE(closed.stat().st_mode) == 0o711


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "letter.txt").write_text("Dear Ada")

    with pytest.raises(PostgresUnusable, match="is not the data of a PostgreSQL server"):
        Server(folder / "postgres").start()

    assert (folder / "postgres" / "letter.txt").read_text() == "Dear Ada"


def test_data_of_another_version_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("14\n")

    with pytest.raises(PostgresUnusable, match="was made by PostgreSQL 14, and this is 18"):
        Server(folder / "postgres").start()


def test_damaged_data_is_reported_with_the_servers_own_reason(server: Server) -> None:
    server.start()
    server.stop()
    (server.data_dir / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(PostgresUnusable, match=r"did not start on .*pg_control.*its log is"):
        server.start()


def test_an_initdb_that_was_interrupted_is_started_over(server: Server) -> None:
    half_made = server.data_dir.with_name("postgres.new")
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")

    server.start()

    assert server.pid is not None
    assert not half_made.exists()


def test_the_server_knows_none_of_our_secrets(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ENCRYPTION_KEYS", "1:secret")

    server.start()

    assert "SECRET_KEY" not in postgres._environment()
    environment = Path(f"/proc/{server.pid}/environ")
    assert not environment.exists() or b"secret" not in environment.read_bytes()
