"""A logged model over HTTP. Imports tracking and upscaling; nothing imports it but the command."""
