"""`python -m beam`: the command line, also where the command `beam` is another distribution's."""

from beam.cli import main

if __name__ == "__main__":
    main()
