"""`python -m tinyseg`."""

from tinyseg.cli import main

main()
