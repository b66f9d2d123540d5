"""The golden copy: identity, survivorship, versions, and the store."""
