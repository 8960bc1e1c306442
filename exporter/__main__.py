"""``python -m exporter`` is the command ``bytespike-exporter``."""

from exporter.cli.entry import main

if __name__ == "__main__":
    main()
