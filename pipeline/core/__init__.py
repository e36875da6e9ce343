"""Pure torch and numpy: no files, network, clock, environment or global seed."""
