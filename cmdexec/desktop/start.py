"""Starting a worker with its window, or finding out that there can be none."""

import importlib.util
from collections.abc import Sequence

from cmdexec.desktop import display
from cmdexec.desktop.autostart import Entry
from cmdexec.desktop.process import WindowProcess
from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.folder import DataFolder
from cmdexec.worker.page.configuration import Configuration
from cmdexec.worker.page.first import First, show_other
from cmdexec.worker.page.host import Host, Ways
from cmdexec.worker.page.windowed import Windowed


def cannot_show() -> str | None:
    """Why no window can be shown, as far as that is seen at a glance; None: it is worth a try."""
    if (why := display.missing()) is not None:
        return why
    if importlib.util.find_spec("webview") is None:
        return "pywebview is not installed (pip install 'cmdexec[desktop]')"
    return None


async def run_windowed(
    configuration: Configuration, settings: WorkerSettings, ways: Ways, *, myself: Sequence[str], runtime: Runtime
) -> str | None:
    """Work with a window, until told to end. `myself`: how cmdexec itself is started.

    Returns None when that is over, or what to say where another process has this folder's window, which it shows now.
    Raises CmdexecError: `no_window` when there can be none, before any work; `in_use`, `bad_data_dir`; why there is no
    worker any more, where it ended by itself.
    """
    first = First(settings.data_dir)
    try:
        await runtime.threads.run(first.take)
    except CmdexecError as wrong:
        if wrong.code == "in_use" and await show_other(settings, runtime):
            return f"{wrong.message} Its window is shown."
        raise
    try:
        await runtime.threads.run(lambda: _free(settings))
        window = WindowProcess([*myself, "worker", "--show-window"], settings.window_start_sec)
        host = Host(configuration, settings, Entry(myself, configuration.config), ways=ways, runtime=runtime)
        await Windowed(host, window, first).run(ends_process=True)
    finally:
        await runtime.threads.run(first.release)
    return None


def _free(settings: WorkerSettings) -> None:
    """Blocking: raise CmdexecError(`in_use`) where a worker without a window has the folder."""
    folder = DataFolder(settings.data_dir)
    try:
        folder.take()
    finally:
        folder.release()
