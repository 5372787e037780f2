"""Help people who mark text: which marks look wrong, and which texts teach most."""
