"""The control room: the HTTP doors, the JSON API and the status page."""
