"""A small telecom operator to run the hub against, and the history checker that judges it."""
