"""`python -m revops_kit.cli` is `revops`."""

from revops_kit.cli import main

if __name__ == "__main__":
    main()
