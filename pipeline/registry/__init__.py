"""Which version of a model reigns, by what evidence: the register step, the log of decisions, verification."""
