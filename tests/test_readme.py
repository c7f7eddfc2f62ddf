"""README.md tells the truth that the code knows."""

from pathlib import Path

from revops_kit.readme import fresh

ROOT = Path(__file__).resolve().parents[1]


def test_tables_of_the_readme_are_what_the_code_says():
    text = (ROOT / "README.md").read_text("utf-8")
    assert fresh(text, ROOT) == text, "run: python -m revops_kit.readme"
