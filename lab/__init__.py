"""A throwaway cluster that looks like K3s, on one Linux host; `python -m lab --help` lists the commands."""
