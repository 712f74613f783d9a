"""Who does what to which image: one step, ``reconcile``, behind every door (``docs/reconcile.md``)."""
