"""A throwaway K3s-like cluster of real parts on one Linux host; `python -m lab --help` shows what it can do."""
