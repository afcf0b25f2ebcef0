"""The images: what each contains, what builds them (buildah or Docker), and where they go (ECR or a registry).

Provides `Images`, whose `reference(name)` is an image by digest, and `connections.Registry`.
"""
