"""Where a bundle begins: as `python -m cmdexec` does."""

from cmdexec.__main__ import main

if __name__ == "__main__":
    main()
