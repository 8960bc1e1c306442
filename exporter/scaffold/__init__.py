"""The first files of an installation: chosen, rendered, written."""
