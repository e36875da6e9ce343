"""`python -m pipeline.cli`: the command `segnet` of the code in the current folder, wherever that is installed."""

from pipeline.cli import main

main()
