"""Site, machines and ledger become a plan: matching, names, addresses, disks, roles, consent, steps. All pure."""
