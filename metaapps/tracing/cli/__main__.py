"""`python -m metaapps.tracing.cli` is the `tracing` command."""

from metaapps.tracing.cli import main

if __name__ == "__main__":
    main(prog_name="tracing")
