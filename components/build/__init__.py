"""Building an image with buildah: what goes in, the build itself, and its Pulumi dynamic resource."""
