"""Stand-ins of the services that PetCo uses: one server, each service below a path of its own."""
