"""PetCo, the example company: its shop database, seeded and then written to, and stand-ins of the services it uses."""
