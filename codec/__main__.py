"""`python -m codec` is the command `aecodec`."""

from .app.cli import main

if __name__ == "__main__":
    main()
