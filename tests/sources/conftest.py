"""A PostgreSQL of our own, for tests of engines."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def postgres_programs():
    """Find the folder of PostgreSQL's programs, where Debian or the path has them."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return places[-1] if places else None


@pytest.fixture(scope="session")
def postgres():
    """Start a server that lives as long as the tests, and give its URL."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    home = Path(tempfile.mkdtemp())
    # The server refuses to run as root; the user of that name comes with its package.
    somebody = []
    if os.geteuid() == 0:
        somebody = ["runuser", "-u", "postgres", "--"]
        shutil.chown(home, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = home / "data", home / "log"

    def run(program, *words):
        command = [*somebody, programs / program, "-D", data, *words]
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)

    try:
        run("initdb", "-A", "trust", "-U", "revops", "-E", "UTF8", "--locale=C", "--no-sync")
        asked = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", log, "-o", asked, "start")
        try:
            yield f"postgres://revops@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def connections():
    """Close what workspaces opened; a process that ends does without."""
    from revops_kit.sources import engine

    made, connect = [], engine.connect

    def noting(*words):
        made.append(connect(*words))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "connect", noting)
        yield
    for con in made:
        con.disconnect()
