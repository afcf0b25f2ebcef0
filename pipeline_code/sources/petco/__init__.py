"""PetCo, the example company: fills its shop database and writes to it, and stands in for the services it uses."""
