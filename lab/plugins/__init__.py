"""Stand-ins for upstream's provider plugins, for machines that cannot download those."""
