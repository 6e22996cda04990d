"""The web: pages for the recipients of mails, on Quart-Trio; blueprints, one for each concern."""
