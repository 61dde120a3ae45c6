"""`python -m obbligato`: the same as the `obbligato` command."""

from obbligato.cli.app import main

if __name__ == "__main__":
    main()
