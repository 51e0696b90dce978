"""Stand-ins for upstream provider plugins, for machines that cannot download those."""
