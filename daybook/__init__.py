"""What runs Daybook: settings, wiring, migrations, the embedded stores, the processes and the `daybook` command."""
