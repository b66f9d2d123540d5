"""The flow: receive, apply, subscriptions, delivery, dead letters."""
