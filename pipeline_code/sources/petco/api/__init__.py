"""Stand-ins of the services that PetCo uses: one server, with one path for each service."""
