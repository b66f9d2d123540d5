"""Bytes to records to canonical, and back."""
