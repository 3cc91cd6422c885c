"""The embedded cluster survives what happens to commands, servers and folders."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from geodata.errors import UnavailableError
from service.db import accounts, binaries, server
from service.db.binaries import Binaries, find_binaries
from service.db.embedded import EmbeddedCluster
from service.db.engine import Database
from service.errors import Conflict
from service.settings import Settings

IS_ROOT = os.geteuid() == 0

#: A command that opens the cluster of argv[1], says so, and waits.
COMMAND = """
import sys, time
from service.db.embedded import EmbeddedCluster
EmbeddedCluster(sys.argv[1]).ensure_running()
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was made once, to be copied."""
    home = tmp_path_factory.mktemp("made")
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    cluster.release()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A home with a cluster at rest; what still runs over it in the end is stopped."""
    place = tmp_path / "home"
    place.mkdir()
    copy_cluster(made, place)
    yield place
    EmbeddedCluster(place).stop(force=True)


def copy_cluster(made: Path, place: Path) -> None:
    subprocess.run(["cp", "-a", made / "pg", place / "pg"], check=True)


def running(home: Path) -> server.Server | None:
    return server.find(home.resolve() / "pg")


def ask(cluster: EmbeddedCluster, question: str = "SELECT 1", database: str = "postgres") -> object:
    engine = create_engine(cluster.url(database))
    try:
        with engine.begin() as connection:
            return connection.scalar(text(question))
    finally:
        engine.dispose()


def kill(found: server.Server | None) -> None:
    """Kill a server, and wait until it is dead."""
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    while server._is_server(found.pid, found.socket):
        time.sleep(0.01)


def wait_for_the_end_of(backend: int) -> None:
    """Wait until the process of a connection is gone: it outlives its killed server by a moment."""
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(backend, 0)
            time.sleep(0.01)


def one_line(caught: pytest.ExceptionInfo[Exception]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_first_command_makes_it_and_the_last_one_stops_it(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    assert EmbeddedCluster(home).status().exists is False
    one, other = EmbeddedCluster(home), EmbeddedCluster(home)
    one.ensure_running()
    found = running(home)
    assert found is not None
    other.ensure_running()
    assert running(home) == found
    assert ask(one, "SHOW server_encoding") == "UTF8"
    assert ask(one, "SHOW listen_addresses") == ""
    assert ask(one, "SHOW fsync") == "on"
    one.release()
    assert ask(other) == 1
    other.release()
    assert running(home) is None
    other.release()  # nothing happens
    status = EmbeddedCluster(home).status()
    assert (status.exists, status.running, status.pid) == (True, False, None)


def test_only_its_account_may_enter(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    found = running(home)
    assert found is not None
    assert stat.S_IMODE((home / "pg").stat().st_mode) == 0o700
    assert stat.S_IMODE((found.socket / ".s.PGSQL.5432").stat().st_mode) == 0o700
    owner = Path(f"/proc/{found.pid}").stat().st_uid
    assert owner != 0
    assert owner == (home / "pg").stat().st_uid
    assert os.getsid(found.pid) != os.getsid(0)  # Ctrl-C in the terminal does not reach it
    cluster.release()


def test_a_server_asked_to_stay_stays_until_it_is_stopped(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    status = cluster.start()
    cluster.release()
    assert status.stays
    assert running(home) is not None
    passing = EmbeddedCluster(home)
    passing.ensure_running()
    passing.release()
    assert running(home) is not None
    assert EmbeddedCluster(home).stop() is True
    assert running(home) is None
    assert EmbeddedCluster(home).stop() is False
    # the wish ended with that run of the server
    passing.ensure_running()
    assert passing.status().stays is False
    passing.release()
    assert running(home) is None


def test_a_server_in_use_is_stopped_only_by_force(home: Path) -> None:
    user = EmbeddedCluster(home)
    user.ensure_running()
    with pytest.raises(Conflict, match="another gridward command"):
        EmbeddedCluster(home).stop()
    assert ask(user) == 1
    assert EmbeddedCluster(home).stop(force=True)
    assert running(home) is None
    user.release()


def test_a_killed_server_is_started_again_and_nothing_is_lost(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    assert ask(cluster, "SELECT lo_from_bytea(4711, 'kept')") == 4711
    kill(running(home))
    cluster.ensure_running()
    assert ask(cluster, "SELECT convert_from(lo_get(4711), 'UTF8')") == "kept"
    cluster.release()
    assert running(home) is None


def test_a_service_survives_the_death_of_its_server(home: Path) -> None:
    with Database(Settings(database_url=None, home=home)) as database:
        with database.session() as session:
            session.execute(text("INSERT INTO dataset (name) VALUES ('kept')"))
            backend = session.scalar(text("SELECT pg_backend_pid()"))
        kill(running(home))
        wait_for_the_end_of(backend)
        with database.session() as session:
            assert session.scalar(text("SELECT name FROM dataset")) == "kept"
    assert running(home) is None


def test_a_session_at_work_when_the_server_is_killed_does_not_keep_it_down(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    engine = create_engine(cluster.url("postgres"))

    def work() -> None:
        with pytest.raises(Exception, match="connection"), engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM generate_series(1, 1e11)"))

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.5)
    kill(running(home))
    cluster.ensure_running()
    assert ask(cluster) == 1
    worker.join(timeout=30)
    assert not worker.is_alive()
    engine.dispose()
    cluster.release()


def test_a_killed_command_leaves_nothing_to_clear_up(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(home)], stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "open\n"
        command.kill()
        command.wait()
    assert running(home) is not None
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    assert ask(cluster) == 1
    cluster.release()
    assert running(home) is None


def test_two_commands_may_start_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings(database_url=None, home=home)
    both_open = threading.Barrier(3)

    def command(_: int) -> int | None:
        with Database(settings) as database:
            both_open.wait(timeout=60)
            with database.session() as session:
                return session.scalar(text("SELECT count(*) FROM grid"))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(command, range(3))) == [0, 0, 0]
    assert running(home) is None
    assert sorted(path.name for path in home.iterdir()) == ["pg", "pg.lock", "pg.users"]


def test_a_forked_worker_does_not_count_as_a_user(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    worker = os.fork()
    if worker == 0:
        time.sleep(30)
        os._exit(0)
    try:
        cluster.release()
        assert running(home) is None
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


@pytest.mark.parametrize("name", ["x" * 120, "网格 town", "a,b \"c\" 'd' $e", "100%"])
def test_any_path_will_do(made: Path, tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    copy_cluster(made, home)
    with Database(Settings(database_url=None, home=home)) as database:
        found = running(home)
        assert found is not None
        assert len(os.fsencode(found.socket / ".s.PGSQL.5432")) <= 107
        assert found.socket != home / "pg"
        assert stat.S_IMODE(found.socket.stat().st_mode) == 0o700
        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM grid")) == 0
    assert not found.socket.exists()


def test_a_squatted_socket_folder_is_refused(made: Path, tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120)
    home.mkdir()
    copy_cluster(made, home)
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    found = running(home)
    cluster.release()
    assert found is not None
    found.socket.mkdir(mode=0o777)
    found.socket.chmod(0o777)
    try:
        with pytest.raises(UnavailableError, match="not a private folder") as caught:
            cluster.ensure_running()
        assert str(found.socket) in one_line(caught)
    finally:
        found.socket.rmdir()


def test_a_pid_file_whose_number_went_to_someone_else(home: Path) -> None:
    """After a crash of the machine the number may be anyone's, even of the same account."""
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    found = running(home)
    assert found is not None
    pid_file = home / "pg" / "postmaster.pid"
    left_over = pid_file.read_text()
    cluster.release()
    account = accounts.server_account(home / "pg")
    as_account = {} if account.is_me else {"user": account.uid, "group": account.gid}
    with subprocess.Popen(["sleep", "600"], cwd="/", **as_account) as bystander:  # type: ignore[call-overload]
        pid_file.write_text(left_over.replace(str(found.pid), str(bystander.pid), 1))
        account.own(pid_file)
        assert cluster.status().running is False
        cluster.ensure_running()
        assert ask(cluster) == 1
        cluster.release()
        assert bystander.poll() is None
        bystander.terminate()


@pytest.mark.parametrize("content", ["", "nonsense", "99999999\n"])
def test_a_spoiled_pid_file(home: Path, content: str) -> None:
    pid_file = home / "pg" / "postmaster.pid"
    pid_file.write_text(content)
    accounts.server_account(home / "pg").own(pid_file)
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    assert ask(cluster) == 1
    cluster.release()


def test_an_interrupted_initdb_leaves_nothing_half(tmp_path: Path) -> None:
    half = tmp_path / "pg.new-12345"
    half.mkdir()
    (half / "PG_VERSION").write_text("15\n")
    cluster = EmbeddedCluster(tmp_path)
    cluster.ensure_running()
    assert ask(cluster) == 1
    cluster.release()
    assert not half.exists()


def test_a_failing_initdb_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.db.embedded._INITDB", ("--encoding=nonsense",))
    with pytest.raises(UnavailableError, match='"nonsense" is not a valid') as caught:
        EmbeddedCluster(tmp_path).ensure_running()
    assert str(tmp_path) in one_line(caught)
    assert not list(tmp_path.glob("pg.new-*"))
    assert not (tmp_path / "pg").exists()


def test_a_broken_configuration_says_why_and_is_not_counted(home: Path) -> None:
    settings_file = home / "pg" / "postgresql.conf"
    settings_file.write_text(settings_file.read_text() + "\nno_such_setting = 1\n")
    with pytest.raises(UnavailableError, match="does not start") as caught:
        EmbeddedCluster(home).ensure_running()
    assert "contains errors" in one_line(caught)
    assert "no_such_setting" in (home / "pg" / "server.log").read_text()


@pytest.mark.parametrize("where", ["file", "file/home"])
def test_a_file_in_the_way_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot keep a database in") as caught:
        EmbeddedCluster(tmp_path / where).ensure_running()
    assert str(tmp_path / where) in one_line(caught)
    assert "GRIDWARD_HOME" in str(caught.value)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system in memory, made with the given options."""
    place = tmp_path / "mounted"

    def mount(options: str) -> Path:
        place.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True
        )
        if done.returncode:
            pytest.skip("no right to mount a file system")
        return place

    yield mount
    subprocess.run(["umount", "-l", place], capture_output=True, check=False)


@pytest.mark.skipif(not IS_ROOT, reason="needs the right to mount a file system")
@pytest.mark.parametrize("size", ["4k", "10m", "45m"])
def test_a_full_disk_is_one_line(mounted: Callable[[str], Path], size: str) -> None:
    home = mounted(f"size={size},mode=755")
    with (
        pytest.raises(UnavailableError, match=r"No space left on device|disk .* is full") as caught,
        Database(Settings(database_url=None, home=home)),
    ):
        # the smallest is full before initdb, the largest only after the server has started
        (home / "filler").write_bytes(b"x" * 64 * 1024**2)
    one_line(caught)
    assert running(home) is None


@pytest.mark.skipif(not IS_ROOT, reason="needs the right to mount a file system")
def test_a_read_only_folder_is_one_line(mounted: Callable[[str], Path]) -> None:
    home = mounted("ro")
    for place in (home, home / "below"):
        with pytest.raises(UnavailableError, match=r"[Rr]ead-only file system") as caught:
            EmbeddedCluster(place).ensure_running()
        assert str(home) in one_line(caught)


def in_child_of(user: str, work: Callable[[], str]) -> str:
    """What ``work`` returns, or the message of its error, in a process of another user."""
    entry = pwd.getpwnam(user)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, and the ordinary one may write."""
    entry = pwd.getpwnam("nobody")
    place = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True).stdout.strip())
    place.chmod(0o755)
    os.chown(place, entry.pw_uid, entry.pw_gid)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(not IS_ROOT, reason="every other test is an ordinary user's already")
def test_an_ordinary_user_runs_it_and_root_may_share_it(open_folder: Path) -> None:
    def work() -> str:
        cluster = EmbeddedCluster(open_folder / "home")
        cluster.ensure_running()
        answer = str(ask(cluster, "SELECT 'served'"))
        cluster.release()
        return f"{answer}, {running(open_folder / 'home')}"

    assert in_child_of("nobody", work) == "served, None"
    owner = (open_folder / "home" / "pg").stat().st_uid
    assert owner == pwd.getpwnam("nobody").pw_uid
    cluster = EmbeddedCluster(open_folder / "home")
    cluster.ensure_running()
    found = running(open_folder / "home")
    assert found is not None
    assert Path(f"/proc/{found.pid}").stat().st_uid == owner
    # while root uses it, its owner may use it too
    assert in_child_of("nobody", work).startswith("served, Server")
    cluster.release()
    assert in_child_of("nobody", work) == "served, None"


@pytest.mark.skipif(not IS_ROOT, reason="needs two users")
def test_a_cluster_of_someone_else_is_refused(open_folder: Path) -> None:
    def work() -> str:
        EmbeddedCluster(open_folder).ensure_running()
        return "served"

    (open_folder / "pg").mkdir()
    assert "pg belongs to user root" in in_child_of("nobody", work)
    with pytest.raises(UnavailableError, match="belongs to root"):
        EmbeddedCluster(open_folder).ensure_running()


@pytest.mark.skipif(not IS_ROOT, reason="only root's server runs as someone else")
def test_a_home_that_only_root_may_enter(made: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    home = locked / "home"
    home.mkdir()
    copy_cluster(made, home)
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    assert ask(cluster) == 1
    cluster.release()


def test_no_way_to_let_the_server_in_is_one_line(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accounts.Account("nobody", pwd.getpwnam("nobody").pw_uid, 0)
    monkeypatch.setattr(accounts, "_held_capabilities", lambda: 0)
    monkeypatch.setattr(accounts.Account, "_can_enter", lambda *_: False)
    with pytest.raises(UnavailableError, match="may not enter") as caught:
        account.run(["true"], inside=tmp_path)
    assert str(tmp_path) in one_line(caught)


def test_root_without_a_user_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts.os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts, "_SYSTEM_USER", "no-such-user")
    with pytest.raises(UnavailableError, match="no system user no-such-user"):
        accounts.server_account(tmp_path / "pg")


def test_missing_programs_are_named_with_their_packages(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Binaries, "has_postgis", False)
    with pytest.raises(UnavailableError, match=r"apt install postgresql-\d+ postgresql-\d+-postg"):
        find_binaries()
    (home / "pg" / "PG_VERSION").write_text("9\n")
    with pytest.raises(
        UnavailableError, match=r"made by PostgreSQL 9, .* apt install postgresql-9"
    ):
        EmbeddedCluster(home).ensure_running()
    monkeypatch.setattr(binaries, "_installations", lambda: iter([]))
    with pytest.raises(UnavailableError, match=r"no PostgreSQL server .* apt install"):
        find_binaries()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="brew install"):
        find_binaries()


def test_the_newest_release_with_postgis_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def installations() -> Iterator[Binaries]:
        yield from (Binaries(Path(f"/pg/{major}"), major) for major in (13, 14, 16, 17))

    monkeypatch.setattr(binaries, "_installations", installations)
    monkeypatch.setattr(Binaries, "has_postgis", property(lambda self: self.major != 17))
    assert find_binaries().major == 16
    assert find_binaries(14).major == 14


def test_psql_is_ready_to_run(home: Path) -> None:
    cluster = EmbeddedCluster(home)
    with pytest.raises(UnavailableError, match="does not run"):
        cluster.psql("postgres")
    cluster.ensure_running()
    said = subprocess.run(
        [*cluster.psql("postgres"), "-Atc", "SELECT 6 * 7"], capture_output=True, text=True
    )
    assert said.stdout == "42\n"
    cluster.release()


def test_a_log_is_turned_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOG_LIMIT_BYTES", 10)
    (home / "pg" / "server.log").write_text("x" * 11)
    cluster = EmbeddedCluster(home)
    cluster.ensure_running()
    cluster.release()
    assert (home / "pg" / "server.log.1").read_text() == "x" * 11
