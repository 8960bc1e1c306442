"""The secrets that the settings in force name, so that none of them is shown, or taken for a task."""

from collections.abc import Mapping, Sequence

from exporter.logs import Secrets
from exporter.secrets import SecretSource
from exporter.settings.confidential import sources_of
from exporter.settings.model import Settings


class Keyring:
    """Knows secrets from before anything that could hold one is read, until the end of the process.

    Those in files are looked at again by ``refresh``. What is called blocking belongs in a thread.
    """

    def __init__(self, secrets: Secrets, environ: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._environ = environ
        self._sources: Sequence[SecretSource] = ()

    def follow(self, settings: Settings) -> None:
        """Know those of these settings from now on; it blocks. Those of others are still known."""
        self._sources = sources_of(settings, self._secrets, self._environ)

    def refresh(self) -> None:
        """Look at the files again; it blocks."""
        for source in self._sources:
            source.refresh()

    def hide(self, value: str) -> None:
        """Know one more."""
        self._secrets.add(value)

    def holds(self, text: str) -> bool:
        """Whether a text is or holds one of them."""
        return self._secrets.holds(text)

    def may_be_among(self, texts: Sequence[str]) -> bool:
        """Whether any of these texts may be or hold one of them: false only where none does."""
        return self._secrets.may_be_among(texts)

    def mask(self, text: str) -> str:
        """The text without any of them."""
        return self._secrets.mask(text)

    def __repr__(self) -> str:
        return "Keyring(***)"
