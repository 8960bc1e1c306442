"""``watch``: the tasks of a running exporter, live in a terminal, over its HTTP API alone."""
