"""The command line in this process, and workspaces to run it on."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from revops_kit import cli

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def revops():
    """Run a command in a folder, as a shell would."""

    def run(folder, *words):
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            contextlib.chdir(folder),
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "argv", ["revops", *words])
            try:
                cli.main()
            except SystemExit as end:
                code = end.code or 0
        return Said(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def figures(revops):
    """Count a KPI as JSON: its rows by period, or by what it is split by."""

    def count(folder, kpi, *words, of="value"):
        said = revops(folder, "kpi", kpi, *words, "--format", "json")
        assert (said.code, said.err) == (0, "")
        key = words[words.index("--by") + 1] if "--by" in words else "period"
        return {row[key]: row[of] for row in said.json["rows"]}

    return count


@pytest.fixture
def workspace(tmp_path):
    """Write a revops.toml and the files beside it."""

    def write(toml, files=()):
        tmp_path.joinpath("revops.toml").write_text(dedent(toml), "utf-8")
        for name, content in dict(files).items():
            content = content if isinstance(content, bytes) else dedent(content).encode()
            tmp_path.joinpath(name).write_bytes(content)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def place():
    """Find third-party exports, which are not part of the project."""

    def find(name):
        if not (DATA / name).is_dir():
            pytest.skip(f"the exports of {name} are not at hand, in ../shared/data")
        return DATA / name

    return find


@pytest.fixture(scope="session")
def exports(tmp_path_factory, place):
    """Make a workspace on third-party exports; `DATA/` in it is their folder."""

    def make(name, toml):
        toml = dedent(toml).replace("DATA/", f"{place(name)}/")
        folder = tmp_path_factory.mktemp(Path(name).name)
        folder.joinpath("revops.toml").write_text(toml, "utf-8")
        return folder

    return make
