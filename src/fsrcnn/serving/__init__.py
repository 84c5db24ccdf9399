"""A logged model over HTTP. Imports tracking; only the command imports it."""
