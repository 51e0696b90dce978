"""The page of troubleshooting is held against the sentences that the code can print."""
