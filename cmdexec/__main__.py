"""The entry point: `cmdexec` and `python -m cmdexec`.

`--version` is answered here, before click is imported: scripts ask for it often, and click alone takes longer than
everything else this file does.
"""

import sys

from cmdexec.version import __version__


def main() -> None:
    """Answer `--version`, or hand over to the command line."""
    if sys.argv[1:] == ["--version"]:
        print(f"cmdexec {__version__}")
        return
    try:
        from cmdexec.cli.main import main as command_line
    except KeyboardInterrupt:  # Ctrl-C while it is still being loaded
        sys.exit(130)
    command_line()


if __name__ == "__main__":
    main()
