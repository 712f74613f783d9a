"""The same system on one machine: stand-ins for the services, scenes with known truth, and the demo."""
