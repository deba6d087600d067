"""`python -m seedgate` is the `seedgate` command."""

from seedgate.cli.app import main

if __name__ == "__main__":
    main()
