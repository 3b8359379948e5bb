"""Removing what jobs left in their folders, whatever that is."""

import os
import shutil
from collections.abc import Callable, Sequence


def remove_folders(folders: Sequence[str], told: Callable[[str, OSError], None]) -> None:
    """Blocking: remove whole trees. A job may have taken its own rights to them away; its owner gives them back."""
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except PermissionError:
            _open_up(folder)
            try:
                shutil.rmtree(folder)
            except OSError as wrong:
                told(folder, wrong)
        except FileNotFoundError:
            pass
        except OSError as wrong:
            told(folder, wrong)


def _open_up(folder: str) -> None:
    """Make every folder of the tree one that its owner may change. Links are not followed."""
    os.chmod(folder, 0o700)
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
