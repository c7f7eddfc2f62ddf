"""What travels with the package: the notebooks and the sample company."""

import shutil
from pathlib import Path

from revops_kit.errors import RevopsError

PACKAGE = Path(__file__).parent
# In a wheel they lie inside the package, in a clone beside it.
SHARE = PACKAGE / "_share" if (PACKAGE / "_share").is_dir() else PACKAGE.parent


def notebooks(folder: Path) -> dict[str, Path]:
    """Find the notebooks of a workspace: its own, and ours where it has none of that name.

    Returns
    -------
    dict
        Name → file, the overview first.
    """
    found = {
        path.stem: path
        for place in (SHARE / "notebooks", folder / "notebooks")
        for path in sorted(place.glob("*.ipynb"))
        if not path.name.endswith(".failed.ipynb")
    }
    return dict(sorted(found.items(), key=lambda each: (each[0] != "overview", each[0])))


def sample_workspace(into: Path) -> Path:
    """Find the sample company's workspace; from a wheel it is first copied beside the reports."""
    if SHARE != PACKAGE / "_share":
        return SHARE / "revops.toml"
    home = into / "sample-company"
    try:
        shutil.copytree(SHARE, home, dirs_exist_ok=True)
    except OSError as error:
        raise RevopsError(
            f"{home} cannot be written ({error.strerror}): choose another folder with --into."
        ) from None
    return home / "revops.toml"
