"""How fast a file is on this machine: load, grid of settings, comparison in turns."""
