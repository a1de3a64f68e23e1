"""What runs Daybook: settings, wiring, migrations, the embedded stores, the processes and the `daybook` command."""

from importlib import metadata


def version() -> str:
    """The version of the distribution; "0" in a checkout that is run without being installed."""
    try:
        return metadata.version("daybook-server")
    except metadata.PackageNotFoundError:
        return "0"
