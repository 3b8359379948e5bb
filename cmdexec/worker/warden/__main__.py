"""The warden as a script: `python -I -S -E …/warden/__main__.py ARGUMENTS`, so neither site nor environment count."""

import sys

if __name__ == "__main__":
    package = __file__.rpartition("/cmdexec/")[0]
    if package not in sys.path:
        sys.path.append(package)
    from cmdexec.worker.warden.begin import main

    sys.exit(main(sys.argv[1:]))
