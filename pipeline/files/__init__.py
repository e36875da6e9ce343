"""Reading and writing files: atomically, by digest, and under locks."""
