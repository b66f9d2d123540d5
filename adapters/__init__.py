"""Bytes in and out: the contract, one file a protocol, one folder a connected system."""
