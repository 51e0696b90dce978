"""Stand-in for the upstream tls plugin: private keys, certificate requests and certificates."""
