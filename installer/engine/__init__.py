"""Carries a plan out: store, journal, scheduler, actions; `apply`, `status` and the node verbs."""
