"""Removing what jobs left in their folders: paths behind the prefix that lifts the bound on their length."""

import os
import shutil
import stat
from collections.abc import Callable, Sequence


def remove_folders(folders: Sequence[str], told: Callable[[str, OSError], None]) -> None:
    """Blocking: remove whole trees; links are not followed. `told` hears of each folder of which something stays, with
    the first cause; the rest of it is gone nevertheless. Raises nothing."""
    for folder in folders:
        wrong: list[OSError] = []

        def failed(
            again: Callable[[str], object], path: str, why: tuple[type[BaseException], BaseException, object],
            wrong: list[OSError] = wrong,
        ) -> None:  # fmt: skip
            """What may only be read cannot be deleted here."""
            try:
                os.chmod(path, stat.S_IWRITE)
                again(path)
            except FileNotFoundError:
                return
            except OSError as still:
                wrong.append(still)

        shutil.rmtree(rf"\\?\{os.path.abspath(folder)}", onerror=failed)
        if wrong:
            told(folder, wrong[0])
