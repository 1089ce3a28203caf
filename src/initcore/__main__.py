"""``python -m initcore``: the command line."""

from initcore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
