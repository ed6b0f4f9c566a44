"""`python -m snowmelt` is the command."""

from snowmelt.cli import main

main()
