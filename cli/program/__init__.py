"""The Pulumi program of this checkout: its stacks, and how `pulumi` is called."""
