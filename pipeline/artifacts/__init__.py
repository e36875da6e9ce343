"""What the stages hand each other: for each file its dataclass, its write and its read."""
