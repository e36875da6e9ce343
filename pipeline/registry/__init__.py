"""Which version of a model is champion, and on what evidence: the register step, the decision log, verification."""
