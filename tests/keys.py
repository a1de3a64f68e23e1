"""Keys for texts where there is no table of them."""

from uuid import UUID

from journal import sealing


class Everybody(dict[UUID, bytes]):
    """One key, whoever asks."""

    def __init__(self) -> None:
        self._key = sealing.new_key()

    def __missing__(self, person: UUID) -> bytes:
        return self._key

    def get(self, person: UUID, default: bytes | None = None) -> bytes:  # type: ignore[override]
        return self._key
