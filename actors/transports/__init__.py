"""The ways out of the house: one transport per kind of mail server."""
