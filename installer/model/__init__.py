"""Frozen values that the rest of Rackstrap speaks in: facts, site, plan, orders, events. No I/O."""
