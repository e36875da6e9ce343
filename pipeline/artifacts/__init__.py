"""The files that stages exchange: for each, its dataclass, write and read."""
