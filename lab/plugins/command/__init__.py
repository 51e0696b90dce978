"""Stand-in for the upstream command plugin: commands on this machine and, over SSH, on others."""
