"""`python -m metaapps.filibuster.cli`."""

from metaapps.filibuster.cli.commands import main

if __name__ == "__main__":
    main()
