"""The authorities that nodes trust, and the certificate that the registry serves."""
