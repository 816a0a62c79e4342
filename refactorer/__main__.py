"""`python -m refactorer` is the `refactorer` command."""

from refactorer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
