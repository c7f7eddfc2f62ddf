"""The three teams' data side by side: what of one is known to the others."""

from revops_kit.silos.keys import KeyAudit, audit_keys

__all__ = ["KeyAudit", "audit_keys"]
