"""How soon each alert comes: the life of an exporter in situations an operator meets, measured by promtool."""
