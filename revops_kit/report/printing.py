"""Reports on paper: printed as PDF by the Chromium that is installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from revops_kit.errors import ReportError
from revops_kit.report.folder import publish, staging

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-pdf-header-footer",
)
LETTER = {"USD", "CAD", "MXN"}  # where these are paid in, it is the usual paper; elsewhere A4 is
PATIENCE = 120  # seconds that a report may take to print


def chromium() -> str:
    """Find a browser that prints.

    Raises
    ------
    ReportError
        There is none; the sentence says how to get one.
    """
    found = [*filter(None, map(shutil.which, NAMES)), *filter(os.path.exists, PLACES)]
    if not found:
        raise ReportError(
            "There is no Chromium here to print with: install Chromium, Google Chrome or Microsoft "
            "Edge (on Debian `apt install chromium`), or print the HTML report from any browser."
        )
    return found[0]


def print_reports(reports: Sequence[Path], currency: str, jobs: int = 2) -> list[Path]:
    """Print reports, each to a PDF of its name beside it, put in place whole.

    Parameters
    ----------
    reports
        HTML files in one folder.
    currency
        The company's, which tells whether it prints on Letter or on A4.
    jobs
        How many are printed at a time.

    Raises
    ------
    ReportError
        There is no browser, it fails, or the folder cannot be written.
    """
    browser, paper = chromium(), "letter" if currency in LETTER else "A4"
    if not reports:
        return []
    into = reports[0].parent
    with staging(into) as stage, ThreadPoolExecutor(jobs) as pool:
        printed = list(pool.map(partial(_print, browser, stage, paper), reports))
        for pdf in printed:
            publish(pdf, into, pdf.name)
    return [into / pdf.name for pdf in printed]


def _print(browser: str, stage: Path, paper: str, report: Path) -> Path:
    page, pdf = stage / report.name, stage / f"{report.stem}.pdf"
    # Chromium takes the size of the paper from the page only.
    text = report.read_text("utf-8").replace("</style>", f"@page {{ size: {paper} }}</style>", 1)
    page.write_text(text, "utf-8")
    command = [
        browser,
        *FLAGS,
        # It refuses to run as root otherwise, as in most containers; the page runs no script.
        *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        f"--user-data-dir={stage / f'{report.stem}.profile'}",
        f"--print-to-pdf={pdf}",
        page.as_uri(),
    ]
    # However it ends, what matters is whether there is a PDF.
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    if not pdf.exists() or not pdf.read_bytes().startswith(b"%PDF-"):
        raise ReportError(
            f"{report.name} could not be printed: {Path(browser).name} did not answer. "
            "Print the HTML report from any browser."
        )
    return pdf
