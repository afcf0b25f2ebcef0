"""PetCo, the example company: the schema of its shop database, a seeded generator, and a live writer."""
