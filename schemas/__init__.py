"""The canonical words: JSON Schemas of the master copy, the message envelope, the errors."""
