"""`python -m pixkin_server` is the command `pixkin`."""

from pixkin_server.cli import main

main()
