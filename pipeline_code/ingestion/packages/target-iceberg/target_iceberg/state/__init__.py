"""Where a stream stands, and the small tables beside the lake's."""
