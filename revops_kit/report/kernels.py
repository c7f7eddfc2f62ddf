"""One notebook run by Papermill, in a kernel that is this very Python, warm if it can be."""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import papermill
import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from revops_kit import errors
from revops_kit.errors import ReportError
from revops_kit.report import warm
from revops_kit.report.parameters import cells_of, source_of
from revops_kit.report.warm import ENVIRONMENT, NotWarm

# Without a handler Python prints to stderr what Papermill logs of a failure, traceback and all.
logging.getLogger("papermill").addHandler(logging.NullHandler())

log = logging.getLogger(__name__)
LAUNCHER = "ipykernel_launcher"


class ThisPython(KernelSpecManager):
    """Answer to every kernel name with the running Python, whatever else is installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Describe a kernel of the running Python."""
        return KernelSpec(
            argv=[
                sys.executable,
                *("-m", LAUNCHER, "-f", "{connection_file}"),
                "--HistoryManager.enabled=False",
            ],
            name=kernel_name,
            display_name="Python",
            language="python",
            env=ENVIRONMENT,
            metadata={"supported_encryption": "curve"},
        )


class WarmFirst(LocalProvisioner):
    """Fork kernels from the warm parent, and start ordinary ones where there is none."""

    async def launch_kernel(self, cmd: list[str], **kw: Any) -> dict[str, Any]:
        """Start a kernel."""
        if not (parent := warm.current()):
            return await super().launch_kernel(cmd, **kw)
        try:
            argv = cmd[cmd.index(LAUNCHER) + 1 :]
            self.process = parent.fork(argv, kw["env"], kw["cwd"])
        except NotWarm as reason:
            log.warning("Notebooks start slowly, without warm kernels: %s.", reason)
            return await super().launch_kernel(cmd, **kw)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class Kernel(AsyncKernelManager):
    """A kernel of the running Python that `kill_all` finds."""

    alive: ClassVar[WeakSet["Kernel"]] = WeakSet()

    @default("kernel_spec_manager")
    def _this_python(self) -> KernelSpecManager:
        return ThisPython(parent=self)

    @default("transport_encryption")
    def _encrypted(self) -> str:
        return "auto" if zmq.has("curve") else "disabled"

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        # By name, it would have to be registered with the installation.
        self.provisioner = WarmFirst(kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kw)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: object) -> None:
        await super()._async_launch_kernel(kernel_cmd, **kw)
        Kernel.alive.add(self)


class SaveOnce(NBClientEngine):
    """Papermill's own engine, which leaves the notebook to be written when all is over.

    Papermill would write all of it before and after each cell: a third of what a run costs besides
    the notebooks' own work, and nobody looks at it before the end.
    """

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, **kw: Any
    ) -> None:
        """Run the cells."""
        place, nb_man.output_path = nb_man.output_path, None
        # Where this machine keeps them is nobody's business.
        for path in ("input_path", "output_path"):
            del nb_man.nb.metadata.papermill[path]
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **kw)
        except BaseException:
            # Papermill itself keeps what ran to its end or failed, but not what was cut short.
            nb_man.output_path = place
            raise


papermill_engines.register("save_once", SaveOnce)


def kill_all() -> None:
    """Kill every kernel, with the processes that it started, and the parent of warm ones."""
    for kernel in list(Kernel.alive):
        process = getattr(kernel.provisioner, "process", None)
        if process and process.poll() is None:
            # It may end by itself just now.
            with suppress(ProcessLookupError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
    # Whoever waits for it to get ready would wait in vain.
    if parent := warm.current():
        parent.process.kill()


def execute(
    notebook: Path, output: Path, parameters: dict, workdir: Path, cell_timeout: int
) -> NotebookNode:
    """Run a notebook and keep it at `output`, as far as it got.

    Raises
    ------
    ReportError
        A cell failed, ran too long or took the kernel with it.
    """
    is_again = False
    while True:
        try:
            return _execute(notebook, output, parameters, workdir, cell_timeout)
        except RuntimeError:
            begun = _last_begun(output)
            if begun or is_again:
                raise ReportError(
                    f"The kernel died in cell [{begun}] (killed, or out of memory?)."
                ) from None
            # Another program may have taken one of its ports since they were chosen.
            is_again = True


def _execute(
    notebook: Path, output: Path, parameters: dict, workdir: Path, cell_timeout: int
) -> NotebookNode:
    """Run a notebook once; a RuntimeError says that its kernel has died or did not start."""
    try:
        return papermill.execute_notebook(
            # Papermill takes braces in a path for places to fill in.
            _without_braces(notebook),
            _without_braces(output),
            parameters=parameters,
            engine_name="save_once",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel_manager_class=Kernel,
            shutdown_kernel="immediate",
            execution_timeout=cell_timeout,
            # Not `cwd`, which changes the directory of this process and so of the other threads.
            resources={"metadata": {"path": str(workdir)}},
        )
    except PapermillExecutionError as error:
        raise ReportError(_told(error)) from None
    except CellTimeoutError:
        raise ReportError(
            f"Cell [{_last_begun(output)}] ran longer than {cell_timeout} seconds."
        ) from None
    finally:
        # Each thread has got one from nbclient, which leaves it open.
        ensure_event_loop().close()


def _told(error: PapermillExecutionError) -> str:
    """Say which cell failed and how, with the message only of errors that hold no values."""
    ours = issubclass(getattr(errors, error.ename, object), errors.RevopsError)
    told = f": {error.evalue}" if ours else "."
    return f"Cell [{error.exec_count}] failed with {error.ename}{told}"


def _last_begun(notebook: Path) -> int:
    """Count the cells begun, which is the number that JupyterLab shows beside the last of them."""
    return sum(
        bool(cell["metadata"]["papermill"]["start_time"] and source_of(cell).strip())
        for cell in cells_of(notebook)
        if cell["cell_type"] == "code"
    )


def _without_braces(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")
