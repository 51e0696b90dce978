"""A private TLS registry for a K3s cluster, trusted by every node and proved by a pull on each."""
