"""The trained network at full speed: the exact sub-pixel form and what runs it. Imports network."""
