"""How facts change the state, by what of it they change."""
