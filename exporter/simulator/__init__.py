"""A faithful fake of the ByteSpike dispatcher, for the demo and the tests.

It follows the published "tasks utility" pages; whatever they leave open and the simulator decided is called *invented*
where it is decided, and listed in ``docs/simulator.md``. It shares no code with the exporter's domain: the two
understand the API apart from each other, so that one misreading cannot hide the other.
"""
