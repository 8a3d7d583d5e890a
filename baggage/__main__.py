"""`python -m baggage` is the `baggage` command."""

from baggage.cli import main

if __name__ == "__main__":
    main(prog_name="baggage")
