"""The registry itself: a server in the cluster."""
