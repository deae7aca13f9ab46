"""The command `cotenant-cloud`: installs, starts and ends the parts of the stand-in cloud. Standard library only."""
