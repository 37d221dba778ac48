"""A PostgreSQL server of its own for the tests that need one; they skip loudly where the programs are missing."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("initdb", "pg_ctl", "postgres")
_missing = [name for name in PROGRAMS if shutil.which(name) is None]

needs_postgres = pytest.mark.skipif(bool(_missing), reason=f"needs PostgreSQL on the PATH: {', '.join(_missing)} missing")


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database. Reached by a socket in its own folder: no port to collide with another test's."""
    user = "postgres" if os.getuid() == 0 else getpass.getuser()  # the server refuses to run as root
    with tempfile.TemporaryDirectory(prefix="workbench-pg-") as folder:
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = Path(folder) / "data"
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        _run(["initdb", "-D", str(data), "-A", "trust", "-U", "postgres"], user)
        _run(["pg_ctl", "-D", str(data), "-o", options, "-l", f"{folder}/log", "-w", "start"], user)
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            _run(["pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop"], user)


def _run(command: list[str], user: str) -> None:
    as_user = {"user": user} if os.getuid() == 0 else {}
    subprocess.run(command, check=True, capture_output=True, cwd="/", **as_user)
