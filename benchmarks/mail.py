"""A report burst to a thousand readers, against smtplib that hands over the same mails.

Run it with `python -m benchmarks.mail [READERS]`. The sample company's weekly report, a third of
the readers for each region, goes through `run_report` to a mail server on loopback, by STARTTLS.
The server is a process of its own, and so is who sends. What is handed over by smtplib are the
mails that arrived, over one connection too, without a ledger.
"""

import asyncio
import datetime as dt
import shutil
import smtplib
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

from aiosmtpd.smtp import SMTP

import revops_kit as rk
from benchmarks.measuring import alone, peak_megabytes
from revops_kit import mailing
from tests.mail.postoffice import Certificates

SAMPLE = Path(__file__).resolve().parents[1]
REGIONS = ("EMEA", "AMER", "APAC")
REPORT = """
[mail]
url = "smtp+starttls://127.0.0.1:{port}"
from = "RevOps <revops@example.com>"
ca = "{ca}"
[reports.weekly]
notebooks = ["overview", "pipeline_velocity"]
period = "last-week"
by = "region"
burst_by = "region"
[reports.weekly.burst_to]
"""


def main() -> None:
    """Measure, and print."""
    readers = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        certificates = Certificates(home)
        with served(home / "arrived", certificates.good) as port:
            workspace = write(home / "workspace", readers, port, certificates.ca)
            found = alone(burst, workspace)
            arrived = sorted((home / "arrived").iterdir())
            size = sum(each.stat().st_size for each in arrived) / len(arrived) / 1_000
            wall, processor = alone(by_hand, arrived, port, certificates.ca)
    print(f"{len(arrived):,} mails of {size:,.0f} kB; in the ledger: {found['ledger']}")
    print(
        f"all of it {found['wall']:.1f} s, {found['processor']:.1f} s of processor, "
        f"{found['megabytes']:,.0f} MB at most; {found['before']:,.0f} MB before the first mail"
    )
    print(
        f"sending: kit {found['sending'][0]:.1f} s, {found['sending'][1]:.1f} s of processor; "
        f"smtplib {wall:.1f} s, {processor:.1f} s; ratio {found['sending'][0] / wall:.2f}, "
        f"{found['sending'][1] / processor:.2f} of processor"
    )


def write(home: Path, readers: int, port: int, ca: Path) -> Path:
    """Write the workspace of the sample company, with readers in each region."""
    shutil.copytree(SAMPLE / "data" / "sample", home / "data" / "sample")
    tables = (SAMPLE / "revops.toml").read_text("utf-8").partition("[reports.weekly]")[0]
    lists = "".join(
        f"{region} = {[f'reader{each}@example.com' for each in range(start, readers, 3)]}\n"
        for start, region in enumerate(REGIONS)
    )
    file = home / "revops.toml"
    file.write_text(tables + REPORT.format(port=port, ca=ca) + lists, "utf-8")
    return file


def burst(workspace: Path) -> dict[str, Any]:
    """Make the report and mail it: what it took, in all and to send, and what the ledger says."""
    ws, spent, megabytes = rk.open(workspace), [], []

    def timed(send: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **options: Any) -> Any:
            megabytes.append(peak_megabytes())
            begun = perf_counter(), process_time()
            sending = send(*arguments, **options)
            spent.append((perf_counter() - begun[0], process_time() - begun[1]))
            return sending

        return measured

    begun = perf_counter(), process_time()
    with patch.object(mailing, "send", timed(mailing.send)):
        into, now = workspace.parent / "reports", dt.datetime.now(dt.UTC)
        ran = mailing.run_report(ws, "weekly", ws.as_of, now=now, into=into)
    ended = perf_counter(), process_time()
    if ran.status != "ok":
        raise RuntimeError(ran.sentence)
    with ws.open_history() as history:
        ledger = history.mails().state.value_counts().to_dict()
    return {
        "wall": ended[0] - begun[0],
        "processor": ended[1] - begun[1],
        "megabytes": peak_megabytes(),
        "before": megabytes[0],
        "sending": [sum(each) for each in zip(*spent, strict=True)],
        "ledger": ledger,
    }


def by_hand(mails: list[Path], port: int, ca: Path) -> tuple[float, float]:
    """Hand over the same mails by smtplib alone: wall clock and processor seconds."""
    begun = perf_counter(), process_time()
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.starttls(context=ssl.create_default_context(cafile=ca))
        for each in mails:
            server.sendmail("revops@example.com", ["reader@example.com"], each.read_bytes())
    return perf_counter() - begun[0], process_time() - begun[1]


@contextmanager
def served(folder: Path, certificate: Path) -> Iterator[int]:
    """Run a mail server that keeps what arrives in a folder; gives its port."""
    folder.mkdir()
    mine, its = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(folder, certificate, its))
    process.start()
    try:
        yield mine.recv()
    finally:
        process.terminate()
        process.join()


def serve(folder: Path, certificate: Path, told: Connection) -> None:
    """Be a mail server until stopped."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    class Folder:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            (folder / f"{envelope.rcpt_tos[0]}.eml").write_bytes(envelope.original_content)
            return "250 OK"

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(Folder(), tls_context=context, require_starttls=True), "127.0.0.1", 0
        )
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    main()
