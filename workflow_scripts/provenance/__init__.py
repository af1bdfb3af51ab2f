"""Where results come from: RO-Crate, versions, cost."""
