"""Settings, defaults, and YAML that remembers its lines."""
