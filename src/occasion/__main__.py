"""``python -m occasion`` is the command line."""

from occasion.cli import main

if __name__ == "__main__":
    main()
